// Non-maximum suppression, as the Python package does it (rknn_zoo_e2e/vision/nms.py), to the last bit of a close call.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#pragma once
#include <vector>

namespace e2erknn {

// A box worth decoding. Upright: x1, y1, x2, y2 in input px; rotated: cx, cy, w, h in input px, radians.
struct Candidate {
    int anchor, class_id;
    float score;
    float box[5];
};

// Places by falling score, equal ones in the order given.
std::vector<int> best_first(const std::vector<Candidate> &found);
// Places kept, best first: greedy; boxes of different classes never suppress each other.
std::vector<int> nms(const std::vector<Candidate> &found, double threshold, int limit);
// By probabilistic IoU (arXiv:2106.06072): a box goes if any better one overlaps it, whether that one stays or not.
std::vector<int> rotated_nms(const std::vector<Candidate> &found, double threshold, int limit);

}  // namespace e2erknn
