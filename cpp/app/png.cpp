// PNG by libpng.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include <csetjmp>
#include <cstring>

#include <png.h>

#include "picture.hpp"

namespace e2erknn::app {
namespace {

struct Source {
    const std::string &content;
    std::size_t at = 0;
    char message[120] = "";
};

void read(png_structp png, png_bytep out, std::size_t size) {
    auto *source = static_cast<Source *>(png_get_io_ptr(png));
    if (size > source->content.size() - source->at) png_error(png, "it is cut short");
    std::memcpy(out, source->content.data() + source->at, size);
    source->at += size;
}

// libpng reports by jumping out, so nothing with a destructor lives in the frames it jumps over.
void fail(png_structp png, png_const_charp message) {
    auto *source = static_cast<Source *>(png_get_error_ptr(png));
    std::strncpy(source->message, message, sizeof source->message - 1);
    longjmp(png_jmpbuf(png), 1);
}

void ignore(png_structp, png_const_charp) {}

bool begin(png_structp png, png_infop info) {
    if (setjmp(png_jmpbuf(png))) return false;
    png_set_user_limits(png, 1u << 30, 1u << 30);  // check_size says it better
    png_read_info(png, info);
    return true;
}

// To 8-bit RGB: palettes and few bits expanded, 16 bits cut, transparency left out.
bool read_rows(png_structp png, png_infop info, std::uint8_t *rgb, std::size_t height) {
    if (setjmp(png_jmpbuf(png))) return false;
    png_set_expand(png);
    png_set_strip_16(png);
    png_set_gray_to_rgb(png);
    png_set_strip_alpha(png);
    const int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    const std::size_t row = png_get_rowbytes(png, info);
    for (int pass = 0; pass < passes; pass++)
        for (std::size_t y = 0; y < height; y++) png_read_row(png, rgb + y * row, nullptr);
    png_read_end(png, info);
    return true;
}

struct Held {
    png_structp png;
    png_infop info;
    ~Held() { png_destroy_read_struct(&png, &info, nullptr); }
};

}  // namespace

int decode_png(const std::string &content, const std::string &name, Image &image) {
    Source source{content};
    Held held{png_create_read_struct(PNG_LIBPNG_VER_STRING, &source, fail, ignore), nullptr};
    if (held.png) held.info = png_create_info_struct(held.png);
    if (!held.info) throw std::bad_alloc();
    png_set_read_fn(held.png, &source, read);
    if (!begin(held.png, held.info)) unreadable(name, source.message);
    const unsigned long width = png_get_image_width(held.png, held.info);
    const unsigned long height = png_get_image_height(held.png, held.info);
    check_size(name, width, height);
    image.resize(static_cast<int>(width), static_cast<int>(height));
    if (!read_rows(held.png, held.info, image.rgb.data(), height)) unreadable(name, source.message);
#ifdef PNG_eXIf_SUPPORTED
    png_uint_32 size = 0;
    png_bytep exif = nullptr;
    if (png_get_eXIf_1(held.png, held.info, &size, &exif)) return orientation_of(exif, size);
#endif
    return 1;
}

}  // namespace e2erknn::app
