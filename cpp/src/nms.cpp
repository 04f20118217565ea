// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include "nms.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace e2erknn {
namespace {

// Ultralytics' distance between classes (max_wh), px. In float32 its rounding, up to 1/16 px, decides close calls.
constexpr float CLASS_OFFSET = 7680;
// Up to this many boxes Python asks OpenCV, which computes in double; more are compared in float32.
constexpr std::size_t FEW = 200;

// numpy's arithmetic: float32, 0 / 0 overlaps nothing.
struct Single {
    float x1, y1, x2, y2;

    explicit Single(const Candidate &c) {
        const float offset = static_cast<float>(c.class_id) * CLASS_OFFSET;
        x1 = c.box[0] + offset, y1 = c.box[1] + offset, x2 = c.box[2] + offset, y2 = c.box[3] + offset;
    }
    bool overlaps(const Single &other, float threshold) const {
        const float width = std::max(std::min(x2, other.x2) - std::max(x1, other.x1), 0.f);
        const float height = std::max(std::min(y2, other.y2) - std::max(y1, other.y1), 0.f);
        const float inter = width * height;
        return inter > 0 && inter / (area() + other.area() - inter) > threshold;
    }
    float area() const { return (x2 - x1) * (y2 - y1); }
};

// OpenCV's (cv::dnn::NMSBoxes): left, top, width, height in double; one minus the Jaccard distance in float.
struct Double {
    double x, y, width, height, area;

    explicit Double(const Candidate &c) {
        const Single corners(c);
        x = corners.x1, y = corners.y1, width = corners.x2 - corners.x1, height = corners.y2 - corners.y1;
        area = width * height;
    }
    bool overlaps(const Double &other, float threshold) const {
        const double areas = area + other.area;
        if (areas <= std::numeric_limits<double>::epsilon()) return 1.f > threshold;
        const double shared_width = shared(x, width, other.x, other.width);
        const double shared_height = shared(y, height, other.y, other.height);
        if (!(shared_width > 0 && shared_height > 0 && area > 0 && other.area > 0)) return false;
        const double inter = shared_width * shared_height;
        return 1.f - static_cast<float>(1.0 - inter / (areas - inter)) > threshold;
    }
    static double shared(double a, double a_size, double b, double b_size) {
        return a < b ? std::min(a_size - (b - a), b_size) : std::min(b_size - (a - b), a_size);
    }
};

template <class Box> std::vector<int> suppressed(const std::vector<Candidate> &found, double threshold, int limit) {
    const float most = static_cast<float>(threshold);
    std::vector<int> kept;
    std::vector<Box> better;
    for (int i : best_first(found)) {
        if (static_cast<int>(kept.size()) >= limit) break;
        const Box box(found[static_cast<std::size_t>(i)]);
        if (std::any_of(better.begin(), better.end(), [&](const Box &b) { return b.overlaps(box, most); })) continue;
        kept.push_back(i);
        better.push_back(box);
    }
    return kept;
}

// A rotated box as a Gaussian: covariance terms, centre, and how far its overlap reaches.
struct Gaussian {
    float a, b, c, x, y, reach;
};

Gaussian gaussian(const Candidate &candidate, float reach) {
    const float *box = candidate.box;
    const float width = box[2] * box[2] / 12, height = box[3] * box[3] / 12;
    const float cosine = std::cos(box[4]), sine = std::sin(box[4]);
    const float cc = cosine * cosine, ss = sine * sine, offset = static_cast<float>(candidate.class_id) * CLASS_OFFSET;
    return {width * cc + height * ss, width * ss + height * cc, (width - height) * cosine * sine,
            box[0] + offset,          box[1] + offset,          reach * (box[2] * box[2] + box[3] * box[3])};
}

float probiou(const Gaussian &p, const Gaussian &q) {
    constexpr float eps = 1e-7f;
    const float dx = p.x - q.x, dy = p.y - q.y, a = p.a + q.a, b = p.b + q.b, c = p.c + q.c, det = a * b - c * c;
    const float t1 = (a * (dy * dy) + b * (dx * dx)) / (det + eps) * 0.25f;
    const float t2 = -(c * dx * dy) / (det + eps) * 0.5f;
    const float dets = std::max(p.a * p.b - p.c * p.c, 0.f) * std::max(q.a * q.b - q.c * q.c, 0.f);
    const float t3 = 0.5f * std::log(det / (4 * std::sqrt(dets) + eps) + eps);
    const float distance = std::clamp(t1 + t2 + t3, eps, 100.f);
    return 1 - std::sqrt(1 - std::exp(-distance) + eps);
}

// What two boxes' w^2 + h^2 are multiplied with to bound the squared distance at which they can still overlap: the
// Bhattacharyya distance is at least |d|^2 / (4 (tr S1 + tr S2)), and an overlap above t needs one below
// -ln(1 - (1 - t)^2). One per cent is for rounding.
float reach_of(double threshold) {
    if (threshold <= 0) return std::numeric_limits<float>::infinity();
    return static_cast<float>(-std::log1p(-(1 - threshold) * (1 - threshold)) * 4 / 12 * 1.01 + 1e-6);
}

}  // namespace

std::vector<int> best_first(const std::vector<Candidate> &found) {
    std::vector<std::pair<float, int>> places;  // negative scores: both ascend
    places.reserve(found.size());
    for (const Candidate &candidate : found) places.emplace_back(-candidate.score, static_cast<int>(places.size()));
    std::sort(places.begin(), places.end());
    std::vector<int> order;
    order.reserve(places.size());
    for (const auto &[score, place] : places) order.push_back(place);
    return order;
}

std::vector<int> nms(const std::vector<Candidate> &found, double threshold, int limit) {
    return (found.size() > FEW ? suppressed<Single> : suppressed<Double>)(found, threshold, limit);
}

std::vector<int> rotated_nms(const std::vector<Candidate> &found, double threshold, int limit) {
    const float reach = reach_of(threshold), most = static_cast<float>(threshold);
    std::vector<int> kept;
    std::vector<Gaussian> better;
    for (int i : best_first(found)) {
        if (static_cast<int>(kept.size()) >= limit) break;
        const Gaussian box = gaussian(found[static_cast<std::size_t>(i)], reach);
        const auto overlaps = [&](const Gaussian &b) {
            const float dx = b.x - box.x, dy = b.y - box.y;
            return dx * dx + dy * dy - box.reach <= b.reach && probiou(b, box) > most;
        };
        if (std::none_of(better.begin(), better.end(), overlaps)) kept.push_back(i);
        better.push_back(box);
    }
    return kept;
}

}  // namespace e2erknn
