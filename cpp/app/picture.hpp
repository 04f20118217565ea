// Pictures: JPEG and PNG files to RGB, upright, and RGB to JPEG.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "e2erknn/e2erknn.hpp"

namespace e2erknn::app {

struct Image {
    int width = 0, height = 0;      // px
    std::vector<std::uint8_t> rgb;  // height x width x 3

    // Another size, with its memory kept where that is enough: a heap in which each frame takes memory anew holds two.
    void resize(int w, int h);
    Picture picture() const { return {rgb.data(), width, height, static_cast<std::size_t>(width) * 3}; }
};

// Reads a file into an image and turns it upright by its EXIF orientation. Throws Error where it cannot be used.
void read_image(const std::string &path, Image &image);
// The same of a file's content; name: for messages.
void decode_image(const std::string &content, const std::string &name, Image &image);
// JPEG of quality 92, 3 bytes a pixel.
std::string encode_jpeg(const Image &image);

// Parts of the above, one file each: not turned yet. They return the EXIF orientation.
int decode_jpeg(const std::string &content, const std::string &name, Image &image);
int decode_png(const std::string &content, const std::string &name, Image &image);
// EXIF orientation, 1 to 8, of an EXIF block (which begins with its TIFF header); 1 where there is none.
int orientation_of(const std::uint8_t *exif, std::size_t size);
// Turns the picture as the orientation says it is to be seen.
void turn(Image &image, int orientation);
// Throws Error for more pixels than shall be decoded.
void check_size(const std::string &name, unsigned long width, unsigned long height);
[[noreturn]] void unreadable(const std::string &name, const std::string &why);

}  // namespace e2erknn::app
