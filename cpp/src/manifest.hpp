// The few lines of a bundle's metadata.yaml that are needed here, as the Python package writes them (block style).
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace e2erknn {

struct Manifest {
    std::string name, sha256;                   // sha256: of the file asked for, "" where it is not listed
    std::vector<std::pair<int, int>> skeleton;  // pairs of key points
};

Manifest read_manifest(const std::string &yaml, const std::string &file);

}  // namespace e2erknn
