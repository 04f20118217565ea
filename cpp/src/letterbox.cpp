// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "e2erknn/e2erknn.hpp"
#include "resize.hpp"

namespace e2erknn {
namespace {

constexpr int LARGEST_SIDE = 32767;  // px
constexpr std::uint8_t PAD = 114;    // Ultralytics' grey

int rounded(double value) { return static_cast<int>(std::nearbyint(value)); }  // half to even, as Python

}  // namespace

Letterbox Letterbox::fit(int source_width, int source_height, int width, int height) {
    for (int side : {source_width, source_height, width, height})
        if (side < 1 || side > LARGEST_SIDE)
            throw UsageError("A picture has a side of " + std::to_string(side) + " pixels.",
                             "Give 1 to " + std::to_string(LARGEST_SIDE) + ".");
    const double gain =
        std::min(static_cast<double>(height) / source_height, static_cast<double>(width) / source_width);
    const int inner_width = std::max(1, rounded(source_width * gain));
    const int inner_height = std::max(1, rounded(source_height * gain));
    // -0.1 sends an odd pixel of padding to the right and the bottom, as Ultralytics does.
    return {source_width,
            source_height,
            width,
            height,
            inner_width,
            inner_height,
            rounded((width - inner_width) / 2.0 - 0.1),
            rounded((height - inner_height) / 2.0 - 0.1)};
}

void Letterbox::apply(const std::uint8_t *rgb, std::size_t stride, std::uint8_t *input,
                      std::size_t input_stride) const {
    const std::size_t before = static_cast<std::size_t>(left) * 3, inner = static_cast<std::size_t>(inner_width) * 3;
    const std::size_t row = static_cast<std::size_t>(width) * 3;
    for (int y = 0; y < height; y++) {
        std::uint8_t *out = input + static_cast<std::size_t>(y) * input_stride;
        const bool outside = y < top || y >= top + inner_height;
        std::memset(out, PAD, outside ? row : before);
        if (!outside) std::memset(out + before + inner, PAD, row - before - inner);
    }
    std::uint8_t *start = input + static_cast<std::size_t>(top) * input_stride + before;
    resize({rgb, source_width, source_height, stride}, start, inner_width, inner_height, input_stride);
}

}  // namespace e2erknn
