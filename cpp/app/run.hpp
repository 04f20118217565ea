// A model over pictures or a stream.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#pragma once
#include "options.hpp"
#include "report.hpp"

namespace e2erknn::app {

constexpr int DONE = 0, FAILED = 1, MISUSED = 2, INTERRUPTED = 130;

// Returns the exit code. Throws Error where the run cannot go on.
int run_pictures(Model &model, const Options &options, Report &report);
int run_stream(Model &model, const Options &options, Report &report);

}  // namespace e2erknn::app
