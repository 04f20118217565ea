// Stored numbers of an output as real ones, and in an order that integers compare.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#pragma once
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "e2erknn/e2erknn.hpp"

namespace e2erknn {

// An fp16 value.
struct Half {
    std::uint16_t bits;
};

#if defined(__aarch64__) || (defined(__ARM_FP16_FORMAT_IEEE) && defined(__ARM_FP) && (__ARM_FP & 2))
inline float real(Half value) {
    __fp16 half;
    std::memcpy(&half, &value.bits, 2);
    return static_cast<float>(half);
}
#else
// Without a branch, so that compilers make vectors of it: a half's bits are those of a float 2^112 times as small.
inline float real(Half value) {
    const std::uint32_t bits = value.bits, size = bits & 0x7fff;
    std::uint32_t shifted = size << 13;
    float magnitude;
    std::memcpy(&magnitude, &shifted, 4);
    magnitude *= 0x1p112f;  // exact, also of subnormal halves
    std::uint32_t out;
    std::memcpy(&out, &magnitude, 4);
    out |= size >= 0x7c00 ? 0x7f800000u : 0u;  // infinite, or no number
    out |= (bits & 0x8000) << 16;
    std::memcpy(&magnitude, &out, 4);
    return magnitude;
}
#endif

// float, Half or an integer to a real number, in float32 as numpy does.
template <class T> float real(T stored, const Tensor &tensor) {
    if constexpr (std::is_same_v<T, float>)
        return stored;
    else if constexpr (std::is_same_v<T, Half>)
        return real(stored);
    else
        return (static_cast<float>(stored) - static_cast<float>(tensor.zero)) * tensor.scale;
}

// Integers that order stored values. Of floats: their bits, unsigned, so that what is negative or no number is above
// every good value and stands out; integers are their own keys.
template <class T> struct Order {
    using Key = T;
    using Signed = T;
    static constexpr Key least = std::numeric_limits<T>::min(), most = std::numeric_limits<T>::max();
};
// Signed ones order what is not below 0 too, and have all that is below it.
template <> struct Order<float> {
    using Key = std::uint32_t;
    using Signed = std::int32_t;
    static constexpr std::uint32_t least = 0, most = 0x7f7fffff, infinite = 0x7f800000;
};
template <> struct Order<Half> {
    using Key = std::uint16_t;
    using Signed = std::int16_t;
    static constexpr std::uint16_t least = 0, most = 0x7bff, infinite = 0x7c00;
};

template <class T, class Key> T stored_of(Key key) {
    T value;
    static_assert(sizeof value == sizeof key);
    std::memcpy(&value, &key, sizeof value);
    return value;
}

inline std::size_t size_of(Type type) {
    switch (type) {
    case Type::float32: return 4;
    case Type::float16:
    case Type::int16: return 2;
    default: return 1;
    }
}

// Calls `then` with a value of the type's C++ type.
template <class F> auto with_type(Type type, F &&then) {
    switch (type) {
    case Type::float32: return then(float{});
    case Type::float16: return then(Half{});
    case Type::int8: return then(std::int8_t{});
    case Type::uint8: return then(std::uint8_t{});
    default: return then(std::int16_t{});
    }
}

// A tensor's values by channel and cell, wherever they lie.
template <class T> class View {
public:
    explicit View(const Tensor &tensor)
        : tensor_(tensor), data_(static_cast<const T *>(tensor.data)), step_(static_cast<std::size_t>(tensor.block)),
          starts_(static_cast<std::size_t>(tensor.channels)) {
        std::size_t lane = 0, row = 0;
        for (std::size_t &start : starts_) {
            start = row + lane;
            if (++lane == step_) lane = 0, row += tensor.cells() * step_;
        }
    }
    // The value of a channel at the first cell; those at the next cells follow `block` values apart.
    const T *channel(int c) const { return data_ + starts_[static_cast<std::size_t>(c)]; }
    float operator()(int c, int cell) const {
        return real(channel(c)[static_cast<std::size_t>(cell) * step_], tensor_);
    }
    const Tensor &tensor() const { return tensor_; }

private:
    const Tensor &tensor_;
    const T *data_;
    std::size_t step_;
    std::vector<std::size_t> starts_;  // of each channel
};

}  // namespace e2erknn
