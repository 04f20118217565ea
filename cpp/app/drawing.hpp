// Detections on the picture, as `e2erknn demo` draws them.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#pragma once
#include "picture.hpp"

namespace e2erknn::app {

void draw(Image &image, const Spec &spec, const std::vector<Detection> &detections);

}  // namespace e2erknn::app
