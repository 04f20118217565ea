// Files written whole or not at all.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#pragma once
#include <string>

#include "e2erknn/e2erknn.hpp"

namespace e2erknn::app {

// Writes beside the target and renames. Throws Error where it cannot be written; then nothing of it is left.
void write_file(const std::string &path, const std::string &content);
// Makes a folder and those above it.
void make_folder(const std::string &path);
// All of it to a descriptor. False where nobody reads any more; throws Error where it cannot be written.
bool write_all(int descriptor, const char *data, std::size_t size, const std::string &name);

}  // namespace e2erknn::app
