// A .rknn on the disk and what lies beside it: checked before the vendor's library, which crashes on damaged files,
// sees it.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#pragma once
#include "e2erknn/e2erknn.hpp"

namespace e2erknn {

struct ModelFile {
    std::string path, name;                     // name: of the bundle, else of the file
    std::string note;                           // that no checksum was at hand, "" where one was
    std::vector<std::pair<int, int>> skeleton;  // of metadata.yaml
    std::vector<std::string> labels;            // of labels.txt
};

// Throws Error where the file is missing, no .rknn, cut short, or not the one metadata.yaml beside it describes.
ModelFile check_model_file(const std::string &path);

}  // namespace e2erknn
