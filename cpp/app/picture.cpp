// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include "picture.hpp"

#include <algorithm>
#include <utility>

#include "readfile.hpp"

namespace e2erknn::app {
namespace {

constexpr std::size_t LARGEST_FILE = 512u << 20;
constexpr unsigned long MAX_PIXELS = 16000ul * 16000ul, MAX_SIDE = 32767;

struct Magic {
    const char *begins, *name;
    std::size_t at;
};

// What people have and this program does not read.
constexpr Magic OTHERS[] = {
    {"BM", "BMP", 0},  {"WEBP", "WebP", 8}, {"II*", "TIFF", 0},
    {"MM", "TIFF", 0}, {"GIF8", "GIF", 0},  {"ftyp", "HEIC, AVIF or MP4", 4},
};

bool begins(const std::string &content, const char *with, std::size_t at = 0) {
    return content.compare(at < content.size() ? at : content.size(), std::char_traits<char>::length(with), with) == 0;
}

}  // namespace

void unreadable(const std::string &name, const std::string &why) {
    throw Error(name + " cannot be read (" + why + ").", "Copy or download it again.");
}

void check_size(const std::string &name, unsigned long width, unsigned long height) {
    if (!width || !height) unreadable(name, "it has no pixels");
    if (width > MAX_SIDE || height > MAX_SIDE || static_cast<unsigned long long>(width) * height > MAX_PIXELS)
        throw Error(name + " has " + std::to_string(width) + " x " + std::to_string(height) +
                        " pixels, more than are read.",
                    "Scale it down first.");
}

void Image::resize(int w, int h) {
    const std::size_t size = static_cast<std::size_t>(w) * static_cast<std::size_t>(h) * 3;
    if (size > rgb.capacity()) std::vector<std::uint8_t>().swap(rgb);  // not the old and the new at a time
    rgb.resize(size);
    width = w, height = h;
}

void decode_image(const std::string &content, const std::string &name, Image &image) {
    if (begins(content, "\xff\xd8")) return turn(image, decode_jpeg(content, name, image));
    if (begins(content, "\x89PNG\r\n\x1a\n")) return turn(image, decode_png(content, name, image));
    for (const Magic &other : OTHERS)
        if (begins(content, other.begins, other.at))
            throw Error(name + " is " + other.name + ", which this program does not read.",
                        "Make a JPEG or PNG of it, such as with: ffmpeg -i " + name + " picture.png");
    throw Error(name + " is not a picture.", "Give a JPEG or PNG.");
}

void read_image(const std::string &path, Image &image) {
    const std::string content = read_file(path, LARGEST_FILE);
    if (content.empty()) throw Error(path + " is empty.", "Copy or download it again.");
    decode_image(content, path, image);
}

void turn(Image &image, int orientation) {
    if (orientation < 2 || orientation > 8) return;
    // Orientations 5 to 8 swap the axes; of each, which source axes run backwards.
    const bool swaps = orientation > 4;
    const bool back_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    const bool back_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    Image out;
    out.resize(swaps ? image.height : image.width, swaps ? image.width : image.height);
    std::uint8_t *to = out.rgb.data();
    for (int y = 0; y < out.height; y++)
        for (int x = 0; x < out.width; x++, to += 3) {
            int from_x = swaps ? y : x, from_y = swaps ? x : y;
            if (back_x) from_x = image.width - 1 - from_x;
            if (back_y) from_y = image.height - 1 - from_y;
            const std::size_t at = static_cast<std::size_t>(from_y) * static_cast<std::size_t>(image.width) +
                                   static_cast<std::size_t>(from_x);
            std::copy_n(image.rgb.data() + at * 3, 3, to);
        }
    image = std::move(out);
}

int orientation_of(const std::uint8_t *exif, std::size_t size) {
    if (size < 8 || !((exif[0] == 'I' && exif[1] == 'I') || (exif[0] == 'M' && exif[1] == 'M'))) return 1;
    const bool little = exif[0] == 'I';
    const auto number = [&](std::size_t at, int bytes) {
        std::size_t value = 0;
        for (int i = 0; i < bytes; i++)
            value = value << 8 | exif[at + static_cast<std::size_t>(little ? bytes - 1 - i : i)];
        return value;
    };
    const std::size_t folder = number(4, 4);
    if (folder > size - 2) return 1;
    const std::size_t entries = number(folder, 2);
    for (std::size_t i = 0, at = folder + 2; i < entries && at + 12 <= size; i++, at += 12)
        if (number(at, 2) == 0x0112 && number(at + 2, 2) == 3) {  // orientation, a short
            const std::size_t value = number(at + 8, 2);
            return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
        }
    return 1;
}

}  // namespace e2erknn::app
