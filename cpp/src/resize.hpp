// Bilinear scaling of RGB, value for value as OpenCV's INTER_LINEAR of bytes (weights of 11 bits).
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#pragma once
#include "e2erknn/e2erknn.hpp"

namespace e2erknn {

void resize(const Picture &picture, std::uint8_t *out, int width, int height, std::size_t out_stride);

}  // namespace e2erknn
