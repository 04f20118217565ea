// Any bytes as a picture file, as an EXIF block, and as a stream of JPEGs: an Error or a picture.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include <algorithm>

#include "document.hpp"
#include "frames.hpp"
#include "picture.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    using namespace e2erknn::app;
    const std::string content(reinterpret_cast<const char *>(data), size);
    orientation_of(data, size);
    quoted(content);
    if (jpeg_length(content) > size) __builtin_trap();
    // Of what claims to be large only our code is of interest, and the libraries would need seconds.
    const auto large = [&] {
        for (std::size_t i = 0; i + 9 < size; i++)
            if ((data[i] == 0xff && (data[i + 1] & 0xf0) == 0xc0 && (data[i + 5] | data[i + 7]) > 1)) return true;
        return size > 24 && (data[16] | data[17] | data[18] | data[20] | data[21] | data[22]) != 0;
    };
    if (large()) return 0;
    try {
        Image image;
        decode_image(content, "fuzz", image);
        const auto letterbox = e2erknn::Letterbox::fit(image.width, image.height, 64, 32);
        std::vector<std::uint8_t> input(64 * 32 * 3);
        letterbox.apply(image.rgb.data(), image.picture().stride, input.data(), 64 * 3);
    } catch (const e2erknn::Error &) {
    }
    return 0;
}
