// The command line of e2erknn-run.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#pragma once
#include <string>
#include <vector>

#include "e2erknn/e2erknn.hpp"

namespace e2erknn::app {

enum class Stream { none, rgb24, nv12, mjpeg };

struct Options {
    std::string model, out;  // out: folder for drawn pictures, "" to draw nothing
    std::vector<std::string> images;
    std::vector<std::string> classes;  // names or ids
    Thresholds thresholds;             // its classes come from `classes` once the model is known
    int core = Model::any_core, repeat = 1;
    bool json = false, help = false, version = false;
    Stream stream = Stream::none;
    int width = 0, height = 0;  // of a stream's frames, px
};

extern const char HELP[];

// Throws UsageError where the command cannot mean anything.
Options parse(int count, char **words);
// Ids of classes given by name or id. Throws UsageError for one the model does not have.
std::vector<int> class_ids(const std::vector<std::string> &wanted, const Spec &spec);

}  // namespace e2erknn::app
