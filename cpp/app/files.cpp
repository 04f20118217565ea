// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include "files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "readfile.hpp"

namespace e2erknn::app {
namespace {

struct Descriptor {
    int number;
    ~Descriptor() {
        if (number >= 0) close(number);
    }
};

}  // namespace

bool write_all(int descriptor, const char *data, std::size_t size, const std::string &name) {
    while (size) {
        const ssize_t put = write(descriptor, data, size);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0 && errno == EPIPE) return false;
        if (put < 0) throw file_error(name, errno);
        data += put;
        size -= static_cast<std::size_t>(put);
    }
    return true;
}

void write_file(const std::string &path, const std::string &content) {
    const std::size_t slash = path.rfind('/') + 1;  // 0 where there is none
    const std::string part = path.substr(0, slash) + "." + std::to_string(getpid()) + ".part";
    try {
        Descriptor file{open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)};
        if (file.number < 0) throw file_error(path, errno);
        write_all(file.number, content.data(), content.size(), path);
        const int closed = close(file.number);
        file.number = -1;
        if (closed || rename(part.c_str(), path.c_str())) throw file_error(path, errno);
    } catch (...) {
        unlink(part.c_str());
        throw;
    }
}

void make_folder(const std::string &path) {
    for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
        const std::string part = path.substr(0, end);
        struct stat status {};
        if (mkdir(part.c_str(), 0777) && !(errno == EEXIST && !stat(part.c_str(), &status) && S_ISDIR(status.st_mode)))
            throw file_error(part, errno == EEXIST ? ENOTDIR : errno);
        if (end == std::string::npos) return;
    }
}

}  // namespace e2erknn::app
