// The JSON document of a run, written as it grows: the same shape as `e2erknn demo --json`.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#pragma once
#include <string>
#include <vector>

#include "e2erknn/e2erknn.hpp"

namespace e2erknn::app {

// A text as JSON, quotes and all; bytes that are no UTF-8 become U+FFFD.
std::string quoted(const std::string &text);
// One picture or frame; drawn: its file, "" if none; frame: its number in a stream, -1 for a picture.
std::string entry_of(const std::string &path, int width, int height, const Spec &spec,
                     const std::vector<Detection> &detections, const Times &times, const std::string &drawn,
                     long frame);
// A number with at most so many digits, as Python prints it.
std::string shortest(double value, int digits);

}  // namespace e2erknn::app
