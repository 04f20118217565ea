// Reading files, and what the system says of them as sentences.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#pragma once
#include <string>

#include "e2erknn/e2erknn.hpp"

namespace e2erknn {

// A regular file, opened to read. Throws Error where it cannot be.
class File {
public:
    explicit File(const std::string &path);
    ~File();
    File(const File &) = delete;
    File &operator=(const File &) = delete;

    std::size_t size() const { return size_; }
    // The next bytes, at most `most`; 0 at the end.
    std::size_t read(void *out, std::size_t most) const;

private:
    std::string path_;
    int descriptor_;
    std::size_t size_ = 0;
};

// A file's content, at most `most` bytes. Throws Error where it cannot be read.
std::string read_file(const std::string &path, std::size_t most);
// An errno of open, read, write or rename as an error about the path.
Error file_error(const std::string &path, int number);

}  // namespace e2erknn
