// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include "masks.hpp"

#include <algorithm>
#include <cmath>

#include "numbers.hpp"
#include "scan.hpp"

namespace e2erknn {
namespace {

// Cells or pixels from left, top up to right, bottom, these not among them.
struct Region {
    int left, top, right, bottom;
    int width() const { return right - left; }
    int height() const { return bottom - top; }
};

// Source pixels to prototype cells: cell = pixel * scale + offset, centre to centre.
struct Axis {
    double scale, offset;
    Axis(double gain, double pad, double per_cell)
        : scale(gain / per_cell), offset(pad / per_cell + 0.5 * scale - 0.5) {}
    double at(int pixel) const { return pixel * scale + offset; }
    int first(int pixel, int cells) const { return std::clamp(static_cast<int>(std::floor(at(pixel))), 0, cells - 1); }
    int end(int pixel, int from, int cells) const {
        return std::clamp(static_cast<int>(std::ceil(at(pixel))) + 2, from + 1, cells);
    }
};

Region pixels_of(const Detection &d, const Letterbox &letterbox) {
    const int left = std::min(static_cast<int>(std::floor(d.x1)), letterbox.source_width - 1);
    const int top = std::min(static_cast<int>(std::floor(d.y1)), letterbox.source_height - 1);
    return {left, top, std::max(static_cast<int>(std::ceil(d.x2)), left + 1),
            std::max(static_cast<int>(std::ceil(d.y2)), top + 1)};
}

Region cells_of(const Region &pixels, const Axis &x, const Axis &y, const Tensor &protos) {
    Region cells{};
    cells.left = x.first(pixels.left, protos.width);
    cells.top = y.first(pixels.top, protos.height);
    cells.right = x.end(pixels.right, cells.left, protos.width);
    cells.bottom = y.end(pixels.bottom, cells.top, protos.height);
    return cells;
}

// A region of all prototypes in float32: (channels, height, width).
template <class T> std::vector<float> planes_of(const Tensor &protos, const Region &region) {
    const View<T> view(protos);
    const std::size_t block = static_cast<std::size_t>(protos.block);
    std::vector<float> planes;
    planes.resize(static_cast<std::size_t>(protos.channels) *
                  static_cast<std::size_t>(region.width() * region.height()));
    float *out = planes.data();
    for (int c = 0; c < protos.channels; c++)
        for (int y = region.top; y < region.bottom; y++, out += region.width()) {
            const std::size_t cell = static_cast<std::size_t>(y) * static_cast<std::size_t>(protos.width) +
                                     static_cast<std::size_t>(region.left);
            const T *in = view.channel(c) + cell * block;
            const int width = region.width();
            if (block == 1)
                for (int x = 0; x < width; x++) out[x] = real(in[x], protos);
            else
                for (int x = 0; x < width; x++) out[x] = real(in[static_cast<std::size_t>(x) * block], protos);
        }
    return planes;
}

// One mask's logits over its cells, from the planes of a larger region.
std::vector<float> logits_of(const std::vector<float> &planes, const Region &all, const Region &cells,
                             const float *weights, int channels) {
    std::vector<float> logits(static_cast<std::size_t>(cells.width() * cells.height()));
    const std::size_t plane = static_cast<std::size_t>(all.width() * all.height());
    const int width = cells.width();
    float sum = 0;  // of numbers that are all finite, times 0: 0
    for (int y = 0; y < cells.height(); y++) {
        float *out = logits.data() + y * width;
        const float *in = planes.data() + (cells.top - all.top + y) * all.width() + cells.left - all.left;
        for (int k = 0; k < channels; k++, in += plane) {
            const float weight = weights[k];
            for (int x = 0; x < width; x++) out[x] += weight * in[x];
        }
        for (int x = 0; x < width; x++) sum += out[x] * 0;
    }
    if (!(sum == 0)) throw_meaningless(NOT_FINITE);
    return logits;
}

// Where pixels of an axis lie between cells: the cell before, the one after and the share of that.
struct Between {
    int before, after;
    float share;
};

// In 1/32 of a cell as OpenCV's warpAffine counts, so that a pixel on an edge falls on the same side; it rounds where
// a row begins, and a column's distance from there.
std::vector<Between> between(const Axis &axis, int from, int to, int first_cell, int cells, bool columns) {
    std::vector<Between> out;
    out.reserve(static_cast<std::size_t>(to - from));
    const double start = axis.at(from) - first_cell;
    for (int i = 0; i < to - from; i++) {
        const long place = columns ? std::lrint(start * 1024) + std::lrint(axis.scale * i * 1024)
                                   : std::lrint((axis.scale * i + start) * 1024);
        const long at = (place + 16) >> 5;
        const int cell = static_cast<int>(at >> 5);
        out.push_back(
            {std::clamp(cell, 0, cells - 1), std::clamp(cell + 1, 0, cells - 1), static_cast<float>(at & 31) / 32});
    }
    return out;
}

Mask enlarged(const std::vector<float> &logits, const Region &cells, const Detection &d, const Region &pixels,
              const Axis &x_axis, const Axis &y_axis) {
    Mask mask{pixels.left, pixels.top, pixels.width(), pixels.height(), {}};
    mask.inside.assign(static_cast<std::size_t>(mask.width) * static_cast<std::size_t>(mask.height), 0);
    const auto xs = between(x_axis, pixels.left, pixels.right, cells.left, cells.width(), true);
    const auto ys = between(y_axis, pixels.top, pixels.bottom, cells.top, cells.height(), false);
    std::vector<float> line(static_cast<std::size_t>(cells.width()));
    // A pixel belongs to the box if its corner does (ultralytics.utils.ops.crop_mask).
    int begin = 0, end = mask.width;
    while (begin < end && !(static_cast<float>(pixels.left + begin) >= d.x1)) begin++;
    while (begin < end && !(static_cast<float>(pixels.left + end - 1) < d.x2)) end--;
    for (int y = 0; y < mask.height; y++) {
        const float at = static_cast<float>(pixels.top + y);
        if (!(at >= d.y1 && at < d.y2)) continue;
        const Between &v = ys[static_cast<std::size_t>(y)];
        const float *above = logits.data() + v.before * cells.width(), *below = logits.data() + v.after * cells.width();
        for (std::size_t i = 0; i < line.size(); i++) line[i] = above[i] * (1 - v.share) + below[i] * v.share;
        std::uint8_t *out = mask.inside.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(mask.width);
        for (int x = begin; x < end; x++) {
            const Between &u = xs[static_cast<std::size_t>(x)];
            const float value = line[static_cast<std::size_t>(u.before)] * (1 - u.share) +
                                line[static_cast<std::size_t>(u.after)] * u.share;
            out[x] = value > 0;
        }
    }
    return mask;
}

}  // namespace

void add_masks(std::vector<Detection> &detections, const std::vector<float> &coefficients, const Tensor &protos,
               const Letterbox &letterbox) {
    if (detections.empty()) return;
    const double per_cell = static_cast<double>(letterbox.width) / protos.width;  // input px
    const Axis x(letterbox.gain_x(), letterbox.left, per_cell), y(letterbox.gain_y(), letterbox.top, per_cell);
    std::vector<Region> regions;
    Region all{protos.width, protos.height, 0, 0};  // around every mask: these prototypes are read, once
    for (const Detection &d : detections) {
        const Region cells = cells_of(pixels_of(d, letterbox), x, y, protos);
        all = {std::min(all.left, cells.left), std::min(all.top, cells.top), std::max(all.right, cells.right),
               std::max(all.bottom, cells.bottom)};
        regions.push_back(cells);
    }
    const auto planes = with_type(protos.type, [&](auto stored) { return planes_of<decltype(stored)>(protos, all); });
    for (std::size_t i = 0; i < detections.size(); i++) {
        const float *weights = coefficients.data() + i * static_cast<std::size_t>(protos.channels);
        const auto logits = logits_of(planes, all, regions[i], weights, protos.channels);
        detections[i].mask = enlarged(logits, regions[i], detections[i], pixels_of(detections[i], letterbox), x, y);
    }
}

}  // namespace e2erknn
