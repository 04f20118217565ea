// Every return code of the vendor's calls as two sentences.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#pragma once
#include <string>

#include "e2erknn/e2erknn.hpp"

namespace e2erknn {

constexpr int NO_MEMORY = -4;  // the vendor's code

// step: what was being done, such as "open the model".
Error vendor_error(int code, const std::string &step, const std::string &path);
// For want of memory: needed, in bytes, 0 where it is not known.
Error memory_error(const std::string &path, std::uint64_t needed);

inline void check(int code, const char *step, const std::string &path) {
    if (code) throw vendor_error(code, step, path);
}

}  // namespace e2erknn
