// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include "document.hpp"

#include <cstdio>
#include <initializer_list>

namespace e2erknn::app {
namespace {

std::string list(std::initializer_list<float> values, int digits) {
    std::string out = "[";
    for (float value : values) out += (out.size() > 1 ? ", " : "") + shortest(static_cast<double>(value), digits);
    return out + "]";
}

// Length of the UTF-8 character at a place, 0 where there is none.
std::size_t character(const std::string &text, std::size_t at) {
    const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
    const auto follows = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
    const unsigned first = byte(at);
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) return follows(at + 1) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        const unsigned second = byte(at + 1);
        const bool good = !(first == 0xe0 && second < 0xa0) && !(first == 0xed && second > 0x9f);
        return good && follows(at + 1) && follows(at + 2) ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        const unsigned second = byte(at + 1);
        const bool good = !(first == 0xf0 && second < 0x90) && !(first == 0xf4 && second > 0x8f);
        return good && follows(at + 1) && follows(at + 2) && follows(at + 3) ? 4 : 0;
    }
    return 0;
}

std::string detection_of(const Spec &spec, const Detection &d) {
    std::string out = "{\"label\": " + quoted(spec.name(d.class_id)) + ", \"class_id\": " + std::to_string(d.class_id) +
                      ", \"score\": " + shortest(static_cast<double>(d.score), 4) +
                      ", \"box\": " + list({d.x1, d.y1, d.x2, d.y2}, 2);
    if (spec.task == Task::pose) {
        out += ", \"keypoints\": [";
        for (std::size_t i = 0; i < d.keypoints.size(); i++) {
            const KeyPoint &p = d.keypoints[i];
            out += (i ? ", " : "") + (spec.values == 3 ? list({p.x, p.y, p.visibility}, 3) : list({p.x, p.y}, 3));
        }
        out += "]";
    }
    if (spec.task == Task::segment) {
        out += ", \"polygons\": [";
        bool first = true;
        for (const auto &outline : outlines(d.mask)) {
            out += first ? "[" : ", [";
            first = false;
            for (std::size_t i = 0; i < outline.size(); i++)
                out += (i ? ", " : "") +
                       list({static_cast<float>(outline[i].first), static_cast<float>(outline[i].second)}, 1);
            out += "]";
        }
        out += "]";
    }
    if (spec.task == Task::obb)
        out += ", \"obb\": " + list({d.obb.cx, d.obb.cy, d.obb.width, d.obb.height, d.obb.radians}, 4);
    return out + "}";
}

}  // namespace

std::string shortest(double value, int digits) {
    char text[64];
    int length = std::snprintf(text, sizeof text, "%.*f", digits, value);
    while (length > 2 && text[length - 1] == '0' && text[length - 2] != '.') length--;
    return {text, static_cast<std::size_t>(length)};
}

std::string quoted(const std::string &text) {
    std::string out = "\"";
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = character(text, at);
        const char byte = text[at];
        char escaped[8];
        if (!length) {
            out += "\\ufffd";
        } else if (byte == '"' || byte == '\\') {
            out += {'\\', byte};
        } else if (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f) {
            std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(byte));
            out += escaped;
        } else {
            out.append(text, at, length);
        }
        at += length ? length : 1;
    }
    return out + "\"";
}

std::string entry_of(const std::string &path, int width, int height, const Spec &spec,
                     const std::vector<Detection> &detections, const Times &times, const std::string &drawn,
                     long frame) {
    std::string out = "{\"path\": " + quoted(path) + ", \"width\": " + std::to_string(width) +
                      ", \"height\": " + std::to_string(height) + ", \"detections\": [";
    for (std::size_t i = 0; i < detections.size(); i++) out += (i ? ", " : "") + detection_of(spec, detections[i]);
    out += "], \"ms\": {\"pre\": " + shortest(times.pre, 2) + ", \"infer\": " + shortest(times.infer, 2) +
           ", \"post\": " + shortest(times.post, 2) + "}";
    if (!drawn.empty()) out += ", \"drawn\": " + quoted(drawn);
    if (frame >= 0) out += ", \"frame\": " + std::to_string(frame);
    return out + "}";
}

}  // namespace e2erknn::app
