// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include "readfile.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace e2erknn {

Error file_error(const std::string &path, int number) {
    switch (number) {
    case ENOENT:
    case ENOTDIR: return {path + " is not there.", "Check the path."};
    case EACCES:
    case EPERM:
    case EROFS: return {"You may not use " + path + ".", "Check its permissions, or give another path."};
    case EISDIR: return {path + " is a folder.", "Give the path of a file."};
    case ENOSPC:
    case EDQUOT:
        return {path + ": " + std::strerror(number) + ".", "Free some space, then run the same command again."};
    default: return {path + ": " + std::strerror(number) + ".", "Put that right, then run the same command again."};
    }
}

File::File(const std::string &path) : path_(path), descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (descriptor_ < 0) throw file_error(path, errno);
    struct stat status {};
    const bool known = fstat(descriptor_, &status) == 0;
    if (!known || !S_ISREG(status.st_mode)) {
        close(descriptor_);
        if (known && S_ISDIR(status.st_mode)) throw file_error(path, EISDIR);
        throw Error(path + " is not a file.", "Check the path.");
    }
    size_ = static_cast<std::size_t>(status.st_size);
}

File::~File() { close(descriptor_); }

std::size_t File::read(void *out, std::size_t most) const {
    ssize_t got;
    do got = ::read(descriptor_, out, most);
    while (got < 0 && errno == EINTR);
    if (got < 0) throw file_error(path_, errno);
    return static_cast<std::size_t>(got);
}

std::string read_file(const std::string &path, std::size_t most) {
    const File file(path);
    if (file.size() > most) throw Error(path + " is too large.", "Give a smaller one.");
    std::string out(file.size(), '\0');
    std::size_t held = 0;
    while (held < out.size()) {
        const std::size_t got = file.read(&out[held], out.size() - held);
        if (!got) break;
        held += got;
    }
    out.resize(held);
    return out;
}

}  // namespace e2erknn
