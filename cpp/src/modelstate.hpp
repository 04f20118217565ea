// What a Model holds.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#pragma once
#include "context.hpp"

namespace e2erknn {

struct Model::State {
    Spec spec;
    std::string json, name, note, runtime;
    std::unique_ptr<Context> context;  // frees the memory below
    abi::Memory *input_memory = nullptr;
    std::vector<abi::Memory *> output_memory;
    Input input;
    std::vector<Tensor> outputs;
    Times times;

    void prepare(int core);
};

}  // namespace e2erknn
