// Instance masks: coefficients and prototypes to bitmaps of the source picture, inside the boxes only.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#pragma once
#include <vector>

#include "e2erknn/e2erknn.hpp"

namespace e2erknn {

// Gives each detection its mask: logit above 0, bilinear between prototype cells, inside its box
// (ultralytics.utils.ops.process_mask_native).
// coefficients: protos.channels values a detection, one detection after the other.
// Throws Error where a mask depends on a value that is no finite number.
void add_masks(std::vector<Detection> &detections, const std::vector<float> &coefficients, const Tensor &protos,
               const Letterbox &letterbox);

}  // namespace e2erknn
