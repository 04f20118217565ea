// How an output lies in memory, by what the runtime says of it.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#pragma once
#include "e2erknn/e2erknn.hpp"
#include "rknn_abi.hpp"

namespace e2erknn {

// ordinary: the output as the model has it; native: as the NPU writes it. The tensor's data is not set.
// Throws Error where that cannot be read in place, with the command that builds a model where it can.
Tensor tensor_of(const Spec &spec, const abi::Attribute &ordinary, const abi::Attribute &native);

}  // namespace e2erknn
