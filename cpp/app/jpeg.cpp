// JPEG by libjpeg-turbo.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <jpeglib.h>

#include <jerror.h>

#include "picture.hpp"

namespace e2erknn::app {
namespace {

constexpr int EXIF_MARKER = JPEG_APP0 + 1, QUALITY = 92;
constexpr char EXIF[] = "Exif\0";  // and the 0 that C adds
constexpr int MOST_SCANS = 500;    // a progressive picture of more was made to waste time

// libjpeg reports by jumping out, so nothing with a destructor lives in the frames it jumps over.
struct Faults {
    jpeg_error_mgr base;
    std::jmp_buf back;
    char message[JMSG_LENGTH_MAX];
};

void fail(j_common_ptr info) {
    auto *faults = reinterpret_cast<Faults *>(info->err);
    info->err->format_message(info, faults->message);
    std::longjmp(faults->back, 1);
}

void warn(j_common_ptr info, int level) {
    if (level < 0 && info->err->msg_code == JWRN_JPEG_EOF) fail(info);  // else the rest would be grey
}

void set_up(Faults &faults) {
    jpeg_std_error(&faults.base);
    faults.base.error_exit = fail;
    faults.base.emit_message = warn;
    faults.base.output_message = [](j_common_ptr) {};
    faults.message[0] = '\0';
}

// Header and size; false where it fails, with the message.
bool begin(jpeg_decompress_struct &info, Faults &faults, const std::string &content) {
    if (setjmp(faults.back)) return false;
    jpeg_create_decompress(&info);
    jpeg_mem_src(&info, reinterpret_cast<const unsigned char *>(content.data()),
                 static_cast<unsigned long>(content.size()));
    jpeg_save_markers(&info, EXIF_MARKER, 0xffff);
    jpeg_read_header(&info, TRUE);
    info.out_color_space = info.num_components == 4 ? JCS_CMYK : JCS_RGB;
    return true;
}

bool read_rows(jpeg_decompress_struct &info, Faults &faults, std::uint8_t *out) {
    if (setjmp(faults.back)) return false;
    jpeg_start_decompress(&info);
    if (info.input_scan_number > MOST_SCANS) return false;
    const std::size_t row =
        static_cast<std::size_t>(info.output_width) * static_cast<std::size_t>(info.output_components);
    while (info.output_scanline < info.output_height) {
        JSAMPROW line = out + info.output_scanline * row;
        jpeg_read_scanlines(&info, &line, 1);
    }
    jpeg_finish_decompress(&info);
    return true;
}

// Four inks, 255 of each being none where Adobe wrote them (inverted), as Pillow does it.
void to_rgb(const std::vector<std::uint8_t> &inks, bool inverted, std::uint8_t *rgb) {
    for (std::size_t i = 0; i < inks.size(); i += 4, rgb += 3) {
        const auto ink = [&](std::size_t c) { return inverted ? 255 - inks[i + c] : inks[i + c]; };
        const int left = 255 - ink(3);
        for (std::size_t c = 0; c < 3; c++) {
            const int product = ink(c) * left + 128, taken = (product + (product >> 8)) >> 8;
            rgb[c] = static_cast<std::uint8_t>(left - taken);
        }
    }
}

struct Held {  // destroys what libjpeg allocated, also when something throws
    jpeg_decompress_struct info{};
    ~Held() { jpeg_destroy_decompress(&info); }
};

}  // namespace

int decode_jpeg(const std::string &content, const std::string &name, Image &image) {
    Faults faults;
    Held held;
    jpeg_decompress_struct &info = held.info;
    set_up(faults);
    info.err = &faults.base;
    if (!begin(info, faults, content)) unreadable(name, faults.message);
    check_size(name, info.image_width, info.image_height);
    int orientation = 1;
    for (auto *marker = info.marker_list; marker; marker = marker->next)
        if (marker->data_length > sizeof EXIF && !std::memcmp(marker->data, EXIF, sizeof EXIF))
            orientation = orientation_of(marker->data + sizeof EXIF, marker->data_length - sizeof EXIF);
    image.resize(static_cast<int>(info.image_width), static_cast<int>(info.image_height));
    std::vector<std::uint8_t> inks(info.num_components == 4 ? image.rgb.size() / 3 * 4 : 0);
    if (!read_rows(info, faults, inks.empty() ? image.rgb.data() : inks.data()))
        unreadable(name, *faults.message ? faults.message : "too many scans");
    if (!inks.empty()) to_rgb(inks, info.saw_Adobe_marker, image.rgb.data());
    return orientation;
}

std::string encode_jpeg(const Image &image) {
    Faults faults;
    jpeg_compress_struct info{};
    unsigned char *data = nullptr;
    unsigned long size = 0;
    set_up(faults);
    info.err = &faults.base;
    if (setjmp(faults.back)) {
        jpeg_destroy_compress(&info);
        std::free(data);
        throw Error(std::string("The picture cannot be written as JPEG (") + faults.message + ").",
                    "Give a smaller one.");
    }
    jpeg_create_compress(&info);
    jpeg_mem_dest(&info, &data, &size);
    info.image_width = static_cast<JDIMENSION>(image.width);
    info.image_height = static_cast<JDIMENSION>(image.height);
    info.input_components = 3;
    info.in_color_space = JCS_RGB;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, QUALITY, TRUE);
    jpeg_start_compress(&info, TRUE);
    while (info.next_scanline < info.image_height) {
        const std::size_t at = static_cast<std::size_t>(info.next_scanline) * static_cast<std::size_t>(image.width) * 3;
        auto *line = const_cast<JSAMPROW>(image.rgb.data() + at);
        jpeg_write_scanlines(&info, &line, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    std::string out(reinterpret_cast<char *>(data), size);
    std::free(data);
    return out;
}

}  // namespace e2erknn::app
