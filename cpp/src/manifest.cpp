// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include "manifest.hpp"

#include <cstdlib>

#include "text.hpp"

namespace e2erknn {
namespace {

// What follows `key` at the start of a line, without quotes; "" where the line does not begin so.
std::string value_of(const std::string &line, const std::string &key) {
    if (line.compare(0, key.size(), key)) return "";
    std::string value = line.substr(key.size());
    if (value.size() > 1 && (value.front() == '\'' || value.front() == '"') && value.back() == value.front())
        value = value.substr(1, value.size() - 2);
    return value;
}

}  // namespace

Manifest read_manifest(const std::string &yaml, const std::string &file) {
    Manifest found;
    bool in_skeleton = false, in_artifacts = false, of_file = false;
    int first = -1;
    for (const std::string &line : lines_of(yaml)) {
        if (const std::string name = value_of(line, "name: "); !name.empty()) found.name = printable(name);
        if (!line.empty() && line[0] != ' ' && line[0] != '-') {
            in_skeleton = line == "skeleton:";
            in_artifacts = line == "artifacts:";
        }
        if (in_skeleton) {
            if (const std::string a = value_of(line, "- - "); !a.empty()) first = std::atoi(a.c_str());
            if (const std::string b = value_of(line, "  - "); !b.empty() && first >= 0)
                found.skeleton.emplace_back(first, std::atoi(b.c_str()));
        }
        if (in_artifacts) {
            if (line.compare(0, 2, "- ") == 0) of_file = false;  // the next artifact
            const std::string rest = line.size() > 2 ? line.substr(2) : "";
            if (value_of(rest, "file: ") == file) of_file = true;
            if (const std::string sum = value_of(rest, "sha256: "); !sum.empty() && of_file) found.sha256 = sum;
        }
    }
    return found;
}

}  // namespace e2erknn
