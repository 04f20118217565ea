// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include "modelfile.hpp"

#include <unistd.h>

#include <cstring>

#include "manifest.hpp"
#include "readfile.hpp"
#include "sha256.hpp"
#include "text.hpp"

namespace e2erknn {
namespace {

constexpr std::size_t HEADER = 64, LARGEST_TEXT = 8 << 20;
constexpr char AGAIN[] = "Copy or download it again.";

// Magic and length, and the checksum of all of it where one is wanted.
std::string checked(const std::string &path, bool checksum) {
    const File file(path);
    if (!file.size()) throw Error(path + " is empty.", AGAIN);
    std::vector<std::uint8_t> part(1 << 16);
    std::size_t got = file.read(part.data(), part.size());
    if (got < HEADER || std::memcmp(part.data(), "RKNN", 4))
        throw Error(path + " is not a .rknn model.", "Make one with: e2erknn convert MODEL --soc SOC");
    std::uint64_t length = 0;  // little-endian, of what follows the header
    for (int i = 7; i >= 0; i--) length = length << 8 | part[static_cast<std::size_t>(16 + i)];
    if (length > file.size() - HEADER) throw Error(path + " is cut short.", AGAIN);
    Sha256 sum;
    for (; checksum && got; got = file.read(part.data(), part.size())) sum.add(part.data(), got);
    return checksum ? sum.hex() : "";
}

bool is_there(const std::string &path) { return access(path.c_str(), F_OK) == 0; }

}  // namespace

ModelFile check_model_file(const std::string &path) {
    const std::size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash + 1);
    const std::string file = path.substr(folder.size());
    ModelFile found{path, file.substr(0, file.rfind('.')), "", {}, {}};
    const std::string manifest = folder + "metadata.yaml", labels = folder + "labels.txt";
    if (is_there(manifest)) {
        const Manifest beside = read_manifest(read_file(manifest, LARGEST_TEXT), file);
        const bool ours = !beside.sha256.empty();
        if (ours) {
            if (checked(path, true) != beside.sha256)
                throw Error(path + " is damaged: its checksum is not the one in metadata.yaml.", AGAIN);
            if (!beside.name.empty()) found.name = beside.name;
            found.skeleton = beside.skeleton;
            if (is_there(labels))
                for (const std::string &line : lines_of(read_file(labels, LARGEST_TEXT)))
                    found.labels.push_back(printable(line));
            return found;
        }
    }
    checked(path, false);
    found.note = "No checksum of " + file +
                 " was at hand: whether it is damaged shows only when it runs. Keep "
                 "metadata.yaml beside it.";
    return found;
}

}  // namespace e2erknn
