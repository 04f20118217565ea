// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include "frames.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "interrupt.hpp"
#include "readfile.hpp"

namespace e2erknn::app {
namespace {

constexpr std::size_t LARGEST_JPEG = 64u << 20, PART = 1 << 16;

std::uint8_t byte_of(int value) { return static_cast<std::uint8_t>(std::clamp(value, 0, 255)); }

}  // namespace

Frames::Frames(int descriptor, const Options &options)
    : descriptor_(descriptor), stream_(options.stream), width_(options.width), height_(options.height) {}

// What is there, up to as many bytes; 0 at the end of the input, or when the user interrupts.
std::size_t Frames::read(char *out, std::size_t most) {
    while (!interrupted()) {
        const ssize_t got = ::read(descriptor_, out, most);
        if (got >= 0) return static_cast<std::size_t>(got);
        if (errno != EINTR) throw file_error("Standard input", errno);
    }
    return 0;
}

// Reads on. False where there is no more.
bool Frames::more() {
    const std::size_t had = held_.size();
    held_.resize(had + PART);
    held_.resize(had + read(&held_[had], PART));
    return held_.size() > had;
}

bool Frames::raw(Image &image) {
    image.resize(width_, height_);
    const bool nv12 = stream_ == Stream::nv12;
    if (nv12) held_.resize(image.rgb.size() / 2);
    char *out = nv12 ? held_.data() : reinterpret_cast<char *>(image.rgb.data());  // RGB needs no memory beside
    for (std::size_t size = nv12 ? held_.size() : image.rgb.size(), had = 0; had < size;) {
        const std::size_t got = read(out + had, size - had);
        if (!got && had && !interrupted())
            throw Error("The input ended within a frame.", "Check that --size is the size of its frames.");
        if (!got) return false;
        had += got;
    }
    if (nv12) nv12_to_rgb(reinterpret_cast<const std::uint8_t *>(held_.data()), image);
    return true;
}

bool Frames::jpeg(Image &image) {
    for (;;) {
        const std::size_t begins = held_.find("\xff\xd8\xff");
        held_.erase(0, begins != std::string::npos ? begins : held_.size() - std::min<std::size_t>(held_.size(), 2));
        const std::size_t length = begins != std::string::npos ? jpeg_length(held_) : 0;
        if (length) {
            const std::string content = held_.substr(0, length);
            held_.erase(0, length);
            decode_image(content, "A frame", image);
            return true;
        }
        if (held_.size() > LARGEST_JPEG)
            throw Error("The input holds no end of a JPEG.", "Check that it is mjpeg: v4l2-ctl --list-formats-ext");
        if (!more()) {
            if (begins != std::string::npos && !interrupted())
                throw Error("The input ended within a frame.", "Check what writes it.");
            return false;
        }
    }
}

bool Frames::next(Image &image) { return stream_ == Stream::mjpeg ? jpeg(image) : raw(image); }

std::size_t jpeg_length(const std::string &data) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(data[i]); };
    for (std::size_t at = 2; at + 2 <= data.size();) {
        if (byte(at) != 0xff) {  // not between segments: on to the next marker
            at++;
            continue;
        }
        const unsigned marker = byte(at + 1);
        if (marker == 0xd9) return at + 2;
        const bool alone = marker == 0 || marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8);
        if (marker == 0xff) {
            at++;
        } else if (alone) {
            at += 2;
        } else {
            if (at + 4 > data.size()) return 0;
            at += 2 + std::max<std::size_t>(static_cast<std::size_t>(byte(at + 2)) << 8 | byte(at + 3), 2);
        }
    }
    return 0;
}

void nv12_to_rgb(const std::uint8_t *nv12, Image &image) {
    const std::size_t width = static_cast<std::size_t>(image.width), height = static_cast<std::size_t>(image.height);
    std::uint8_t *out = image.rgb.data();
    for (std::size_t y = 0; y < height; y++) {
        const std::uint8_t *luma = nv12 + y * width, *chroma = nv12 + (height + y / 2) * width;
        for (std::size_t x = 0; x < width; x++, out += 3) {
            // Weights of BT.601 in 1/1024, with half for rounding.
            const int c = (luma[x] - 16) * 1192 + 512, u = chroma[x / 2 * 2] - 128, v = chroma[x / 2 * 2 + 1] - 128;
            out[0] = byte_of((c + 1634 * v) >> 10);
            out[1] = byte_of((c - 401 * u - 833 * v) >> 10);
            out[2] = byte_of((c + 2066 * u) >> 10);
        }
    }
}

}  // namespace e2erknn::app
