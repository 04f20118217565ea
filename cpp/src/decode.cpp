// Outputs to detections: scan the scores, read the boxes of what is above the threshold, suppress, finish the task.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include <algorithm>
#include <cmath>

#include "fit.hpp"
#include "masks.hpp"
#include "nms.hpp"
#include "scan.hpp"

namespace e2erknn {

[[noreturn]] void throw_meaningless(const char *what) {
    throw Error(std::string("The NPU gave ") + what + ".",
                "Verify the model with: e2erknn inspect; try --precision fp16.");
}

namespace {

constexpr std::size_t MAX_NMS = 30000;  // candidates before suppression, as Ultralytics
constexpr double TOP = 1.01;            // a score may be rounded up to just above 1; what is higher is none
constexpr float FAR = 1e3f;             // input sizes; a box beyond is not meant
constexpr float PI = 3.14159265358979f;

float capped(float score) {
    if (score <= 1) return score;
    if (!std::isfinite(score)) throw_meaningless(NOT_FINITE);
    if (!(score < TOP)) throw_meaningless("scores above 1");
    return 1;
}

float near(float coordinate) {
    if (std::fabs(coordinate) < FAR) return coordinate;
    throw_meaningless(std::isfinite(coordinate) ? "boxes far from the picture" : NOT_FINITE);
}

float finite(float value) {
    if (!std::isfinite(value)) throw_meaningless(NOT_FINITE);
    return value;
}

bool wanted(const Thresholds &thresholds, int class_id) {
    const auto &classes = thresholds.classes;
    return classes.empty() || std::find(classes.begin(), classes.end(), class_id) != classes.end();
}

// Anchors with their class and score, in Python's order: by anchor, and where an anchor may have several classes by
// class first.
template <class T>
std::vector<Candidate> scored(const Spec &spec, const View<T> &output, const Thresholds &thresholds) {
    const auto anchors = Scan<T>(output, 4, spec.scores_end(), thresholds.conf).anchors();
    const std::size_t step = static_cast<std::size_t>(output.tensor().block);
    std::vector<Candidate> found;
    if (spec.nms_free) {
        for (int c = 0; c < spec.classes; c++) {
            const T *scores = output.channel(4 + c);
            for (int anchor : anchors) {
                const float score = capped(real(scores[static_cast<std::size_t>(anchor) * step], output.tensor()));
                if (score > thresholds.conf) found.push_back({anchor, c, score, {}});
            }
        }
    } else {
        // Compared as they are stored: no number among them is none, or the scan had thrown.
        using Signed = typename Order<T>::Signed;
        using Stored [[gnu::may_alias]] = Signed;
        std::vector<Signed> best(anchors.size(), std::numeric_limits<Signed>::min());
        std::vector<int> ids(anchors.size());
        for (int c = 0; c < spec.classes; c++) {
            const Stored *scores = reinterpret_cast<const Stored *>(output.channel(4 + c));
            for (std::size_t i = 0; i < anchors.size(); i++) {
                const Signed score = scores[static_cast<std::size_t>(anchors[i]) * step];
                if (score > best[i]) best[i] = score, ids[i] = c;
            }
        }
        found.reserve(anchors.size());
        for (std::size_t i = 0; i < anchors.size(); i++) {
            const float score = capped(real(stored_of<T>(best[i]), output.tensor()));
            if (score > thresholds.conf) found.push_back({anchors[i], ids[i], score, {}});
        }
    }
    const auto unwanted = [&](const Candidate &c) { return !wanted(thresholds, c.class_id); };
    found.erase(std::remove_if(found.begin(), found.end(), unwanted), found.end());
    return found;
}

std::vector<Candidate> take(const std::vector<Candidate> &found, const std::vector<int> &places, std::size_t most) {
    std::vector<Candidate> out;
    for (std::size_t i = 0; i < std::min(places.size(), most); i++)
        out.push_back(found[static_cast<std::size_t>(places[i])]);
    return out;
}

// Reads the box of a candidate. Returns whether it has an area.
template <class T> bool read_box(const Spec &spec, const View<T> &output, Candidate &candidate) {
    float *box = candidate.box;
    for (int i = 0; i < 4; i++) {
        const float side = static_cast<float>(i % 2 ? spec.height : spec.width), value = output(i, candidate.anchor);
        box[i] = near(spec.pixels ? value / side : value) * side;
    }
    if (spec.task == Task::obb) {
        box[4] = near(output(spec.scores_end(), candidate.anchor));
        return box[2] > 0 && box[3] > 0;
    }
    const float half_width = box[2] * 0.5f, half_height = box[3] * 0.5f;
    box[2] = box[0] + half_width;
    box[3] = box[1] + half_height;
    box[0] -= half_width;
    box[1] -= half_height;
    return box[2] - box[0] > 0 && box[3] - box[1] > 0;
}

float modulo(float value, float by) {  // as Python's %
    const float rest = std::fmod(value, by);
    return rest < 0 ? rest + by : rest;
}

// The same rectangle with its angle in [0, pi/2) (ultralytics.utils.ops.regularize_rboxes), source px.
RotatedBox rotated(const float *box, const Letterbox &letterbox) {
    RotatedBox out{letterbox.x(box[0]), letterbox.y(box[1]), box[2] / letterbox.gain_x(), box[3] / letterbox.gain_y(),
                   modulo(box[4], PI / 2)};
    if (modulo(box[4], PI) >= PI / 2) std::swap(out.width, out.height);
    return out;
}

void place(Detection &d, const Spec &spec, const Candidate &candidate, const Letterbox &letterbox) {
    const float *box = candidate.box;
    if (spec.task == Task::obb) {
        d.obb = rotated(box, letterbox);
        const float cosine = std::cos(d.obb.radians), sine = std::sin(d.obb.radians);
        const float x = std::fabs(d.obb.width / 2 * cosine) + std::fabs(d.obb.height / 2 * sine);
        const float y = std::fabs(d.obb.width / 2 * sine) + std::fabs(d.obb.height / 2 * cosine);
        d.x1 = d.obb.cx - x, d.y1 = d.obb.cy - y, d.x2 = d.obb.cx + x, d.y2 = d.obb.cy + y;
    } else {
        d.x1 = letterbox.x(box[0]), d.y1 = letterbox.y(box[1]), d.x2 = letterbox.x(box[2]), d.y2 = letterbox.y(box[3]);
    }
    const float width = static_cast<float>(letterbox.source_width),
                height = static_cast<float>(letterbox.source_height);
    d.x1 = std::clamp(d.x1, 0.f, width), d.x2 = std::clamp(d.x2, 0.f, width);
    d.y1 = std::clamp(d.y1, 0.f, height), d.y2 = std::clamp(d.y2, 0.f, height);
}

template <class T>
std::vector<KeyPoint> keypoints(const Spec &spec, const View<T> &output, int anchor, const Letterbox &letterbox) {
    const float width = static_cast<float>(spec.width), height = static_cast<float>(spec.height);
    std::vector<KeyPoint> points;
    points.reserve(static_cast<std::size_t>(spec.points));
    for (int k = 0; k < spec.points; k++) {
        const int at = spec.scores_end() + k * spec.values;
        const float x = letterbox.x(finite(output(at, anchor) * width));
        const float y = letterbox.y(finite(output(at + 1, anchor) * height));
        const float visibility = spec.values == 3 ? finite(output(at + 2, anchor)) : 1;
        points.push_back({std::clamp(x, 0.f, static_cast<float>(letterbox.source_width)),
                          std::clamp(y, 0.f, static_cast<float>(letterbox.source_height)), visibility});
    }
    return points;
}

template <class T> std::vector<Detection> decode_as(const Spec &spec, const std::vector<Tensor> &outputs,
                                                    const Letterbox &letterbox, const Thresholds &thresholds) {
    const View<T> output(outputs[0]);
    auto found = scored(spec, output, thresholds);
    if (found.size() > MAX_NMS) found = take(found, best_first(found), MAX_NMS);
    const auto flat = [&](Candidate &c) { return !read_box(spec, output, c); };
    found.erase(std::remove_if(found.begin(), found.end(), flat), found.end());
    const auto kept = spec.nms_free            ? best_first(found)
                      : spec.task == Task::obb ? rotated_nms(found, thresholds.iou, thresholds.max_det)
                                               : nms(found, thresholds.iou, thresholds.max_det);
    found = take(found, kept, static_cast<std::size_t>(thresholds.max_det));
    std::vector<Detection> detections;
    detections.reserve(found.size());
    std::vector<float> coefficients;
    for (const Candidate &candidate : found) {
        Detection &d = detections.emplace_back();
        d.score = candidate.score, d.class_id = candidate.class_id, d.anchor = candidate.anchor;
        place(d, spec, candidate, letterbox);
        if (spec.task == Task::pose) d.keypoints = keypoints(spec, output, candidate.anchor, letterbox);
        if (spec.task == Task::segment)
            for (int c = spec.scores_end(); c < outputs[0].channels; c++)
                coefficients.push_back(finite(output(c, candidate.anchor)));
    }
    if (spec.task == Task::segment) add_masks(detections, coefficients, outputs[1], letterbox);
    return detections;
}

}  // namespace

std::vector<Detection> decode(const Spec &spec, const std::vector<Tensor> &outputs, const Letterbox &letterbox,
                              const Thresholds &thresholds) {
    check_thresholds(thresholds, spec);
    check_fit(spec, outputs);
    return with_type(outputs[0].type,
                     [&](auto stored) { return decode_as<decltype(stored)>(spec, outputs, letterbox, thresholds); });
}

}  // namespace e2erknn
