// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include "layout.hpp"

namespace e2erknn {
namespace {

[[noreturn]] void unreadable(const Spec &spec, const std::string &why) {
    const std::string soc = spec.soc.empty() ? "SOC" : spec.soc;
    throw Error("The model's output cannot be read in place: " + why + ".",
                "Build it with: e2erknn convert MODEL --soc " + soc + " --layout grid");
}

int dim(const abi::Attribute &attribute, std::uint32_t index) {
    const std::uint32_t value = index < attribute.n_dims ? attribute.dims[index] : 0;
    return value <= 1u << 24 ? static_cast<int>(value) : 0;  // 0 is refused as a shape
}

bool is_integer_only(const std::string &soc) { return soc.compare(0, 2, "rv") == 0 && soc != "rv1126b"; }

Type type_of(const Spec &spec, const abi::Attribute &native) {
    switch (native.type) {
    case abi::FLOAT32: return Type::float32;
    case abi::FLOAT16: return Type::float16;
    case abi::INT8: return Type::int8;
    case abi::UINT8: return Type::uint8;
    case abi::INT16: return Type::int16;
    default: unreadable(spec, "its numbers are of type " + std::to_string(native.type));
    }
}

}  // namespace

Tensor tensor_of(const Spec &spec, const abi::Attribute &ordinary, const abi::Attribute &native) {
    Tensor tensor;
    tensor.type = type_of(spec, native);
    tensor.bytes = native.size_with_stride > native.size ? native.size_with_stride : native.size;
    tensor.channels = dim(ordinary, ordinary.format == abi::NHWC ? 3 : 1);
    if (tensor.type != Type::float32 && tensor.type != Type::float16)
        tensor.scale = native.scale, tensor.zero = native.zero_point;
    if (native.format == abi::NC1HWC2 && native.n_dims == 5) {
        tensor.height = dim(native, 2), tensor.width = dim(native, 3), tensor.block = dim(native, 4);
    } else if (native.format == abi::NHWC && native.n_dims == 4) {  // all channels are one block
        tensor.height = dim(native, 1), tensor.width = dim(native, 2), tensor.block = dim(native, 3);
    } else if (native.format != abi::NC1HWC2 && native.n_dims == 4) {
        tensor.height = dim(native, 2), tensor.width = dim(native, 3);
    } else if (native.n_dims == 3) {
        if (is_integer_only(spec.soc)) unreadable(spec, spec.soc + " does not say in which order a flat one lies");
        tensor.width = dim(native, 2);
    } else {
        unreadable(spec, "it has " + std::to_string(native.n_dims) + " dimensions in format " +
                             std::to_string(native.format));
    }
    if (native.w_stride && static_cast<int>(native.w_stride) != tensor.width && native.n_dims != 3)
        unreadable(spec, "its rows are " + std::to_string(native.w_stride) + " cells apart and " +
                             std::to_string(tensor.width) + " wide");
    return tensor;
}

}  // namespace e2erknn
