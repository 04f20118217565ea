// Frames from standard input: raw ones of a known size, or JPEGs one after the other.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#pragma once
#include "options.hpp"
#include "picture.hpp"

namespace e2erknn::app {

class Frames {
public:
    Frames(int descriptor, const Options &options);
    // The next frame; false at the end of the input. Throws Error where a frame is cut short or damaged.
    bool next(Image &image);

private:
    int descriptor_;
    Stream stream_;
    int width_, height_;
    std::string held_;  // read, not yet used
    std::size_t read(char *out, std::size_t most);
    bool more();
    bool raw(Image &image);
    bool jpeg(Image &image);
};

// Rows of luma, then of interleaved chroma at half the resolution (BT.601, video range) to RGB.
void nv12_to_rgb(const std::uint8_t *nv12, Image &image);
// Bytes of the JPEG that data begins with; 0 where its end is not there yet.
std::size_t jpeg_length(const std::string &data);

}  // namespace e2erknn::app
