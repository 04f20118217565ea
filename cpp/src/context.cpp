// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include "context.hpp"

#include <sys/stat.h>

namespace e2erknn {

Context::Context(const std::string &path) : path_(path), runtime_(Runtime::get()) { open(); }

Context::Context(const Context &other) : path_(other.path_), runtime_(other.runtime_) {
    if (!runtime_.dup_context) {
        open();
        return;
    }
    abi::Context from = other.handle_;
    check(runtime_.dup_context(&from, &handle_), "open another context", path_);
}

void Context::open() {
    // With a size of 0 it reads the file itself, which spares a second copy in memory.
    const int code = runtime_.init(&handle_, path_.data(), 0, 0, nullptr);
    if (code == NO_MEMORY) {
        struct stat status {};
        stat(path_.c_str(), &status);
        throw memory_error(path_, static_cast<std::uint64_t>(status.st_size));
    }
    check(code, "open the model", path_);
}

Context::~Context() {
    for (abi::Memory *memory : memory_) runtime_.destroy_mem(handle_, memory);
    runtime_.destroy(handle_);
}

void Context::ask(int what, void *answer, std::uint32_t size) const {
    check(runtime_.query(handle_, what, answer, size), "tell the facts", path_);
}

abi::Attribute Context::attribute(int what, std::uint32_t index) const {
    abi::Attribute answer{};
    answer.index = index;
    ask(what, &answer, sizeof answer);
    answer.name[abi::NAME_LENGTH - 1] = '\0';
    if (answer.n_dims > abi::MOST_DIMS)
        throw Error("The NPU's runtime gave a tensor of " + std::to_string(answer.n_dims) + " dimensions.",
                    "Update librknnrt.");
    return answer;
}

void Context::use_core(int core) {
    if (!runtime_.set_core_mask)
        throw Error("This NPU's runtime cannot choose a core.",
                    "Leave the core to it: without --core; from Python with cores=1.");
    check(runtime_.set_core_mask(handle_, 1 << core), "use that core", path_);
}

abi::Memory *Context::share(abi::Attribute attribute, std::uint32_t bytes) {
    memory_.reserve(memory_.size() + 1);
    abi::Memory *memory = runtime_.create_mem(handle_, bytes);
    if (!memory) {
        const std::uint64_t model = needed();
        throw memory_error(path_, model ? model + bytes : 0);
    }
    memory_.push_back(memory);
    if (!memory->address || memory->size < bytes)
        throw Error("The NPU's runtime gave less memory than it was asked for.", "Update librknnrt.");
    check(runtime_.set_io_mem(handle_, memory, &attribute), "use the memory for an input or output", path_);
    return memory;
}

void Context::sync(abi::Memory *memory, int direction) {
    if (runtime_.mem_sync) check(runtime_.mem_sync(handle_, memory, direction), "exchange memory with the NPU", path_);
}

void Context::run() { check(runtime_.run(handle_, nullptr), "run a picture", path_); }

std::uint64_t Context::needed() const {
    abi::MemorySize size{};
    if (runtime_.query(handle_, abi::MEMORY_SIZE, &size, sizeof size)) return 0;
    return static_cast<std::uint64_t>(size.weights) + size.internal;
}

}  // namespace e2erknn
