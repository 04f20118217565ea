// One context of the vendor's runtime and the memory it shares with the NPU.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#pragma once
#include <string>
#include <vector>

#include "fault.hpp"
#include "runtime.hpp"

namespace e2erknn {

class Context {
public:
    // Opens a model file.
    explicit Context(const std::string &path);
    // Another context of the same model; its weights are shared where the runtime can.
    explicit Context(const Context &other);
    ~Context();
    Context &operator=(const Context &) = delete;

    template <class Answer> Answer query(int what) const {
        Answer answer{};
        ask(what, &answer, sizeof answer);
        return answer;
    }
    abi::Attribute attribute(int what, std::uint32_t index) const;
    void use_core(int core);
    // Memory of at least the attribute's size, set as that input or output.
    abi::Memory *share(abi::Attribute attribute, std::uint32_t bytes);
    void sync(abi::Memory *memory, int direction);
    void run();
    const std::string &path() const { return path_; }
    // What the model needs beside its input and outputs, bytes; 0 where the runtime does not say.
    std::uint64_t needed() const;

private:
    std::string path_;
    const Runtime &runtime_;
    abi::Context handle_ = 0;
    std::vector<abi::Memory *> memory_;
    void open();
    void ask(int what, void *answer, std::uint32_t size) const;
};

}  // namespace e2erknn
