// Which anchors have a score above the threshold: the only pass over all of an output.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "numbers.hpp"

namespace e2erknn {

[[noreturn]] void throw_meaningless(const char *what);
inline constexpr char NOT_FINITE[] = "values that are not finite numbers";

// The largest key whose value is not above `conf`; without one the least, and every anchor is looked at.
template <class T> auto limit_of(float conf, const Tensor &tensor) {
    using Key = std::remove_const_t<decltype(Order<T>::least)>;
    long low = Order<T>::least;
    for (unsigned long long high = static_cast<unsigned long long>(static_cast<long long>(Order<T>::most) - low); high;) {
        const unsigned long long step = (high + 1) / 2;
        const Key middle = static_cast<Key>(low + static_cast<long>(step));
        if (real(stored_of<T>(middle), tensor) <= conf) {
            low += static_cast<long>(step);
            high -= step;
        } else {
            high = step - 1;
        }
    }
    return static_cast<Key>(low);
}

// The largest of an anchor's scores where one of them is negative or no number.
template <class T> float checked_highest(const View<T> &view, int first, int last, int cell) {
    float best = -HUGE_VALF;
    for (int c = first; c < last; c++) {
        const float value = view(c, cell);
        if (std::isnan(value) || value == HUGE_VALF) throw_meaningless(NOT_FINITE);
        best = std::max(best, value);
    }
    return best;
}

// Anchors whose highest score in channels [first, last) is above conf, ascending.
template <class T> std::vector<int> anchors_above(const Tensor &tensor, int first, int last, float conf) {
    using Key = std::remove_const_t<decltype(Order<T>::least)>;
    using Stored [[gnu::may_alias]] = typename Order<T>::Key;
    constexpr Key least = Order<T>::least;
    const View<T> view(tensor);
    const Key limit = limit_of<T>(conf, tensor);
    const bool none_below = std::is_integral_v<T> && !(real(stored_of<T>(least), tensor) <= conf);
    const int block = tensor.block, cells = static_cast<int>(tensor.cells());
    const int tile = std::max(1, 2048 / block);
    std::vector<Key> best(static_cast<std::size_t>(tile) * static_cast<std::size_t>(block));
    std::vector<int> found;
    for (int from = 0; from < cells; from += tile) {
        const int count = std::min(tile, cells - from), lanes = count * block;
        std::fill_n(best.data(), lanes, least);
        for (int row = first / block; row * block < last; row++) {
            const int begin = row * block, skip = std::max(first - begin, 0), end = std::min(last - begin, block);
            const Stored *in = reinterpret_cast<const Stored *>(view.channel(begin)) +
                               static_cast<std::size_t>(from) * static_cast<std::size_t>(block);
            Key *out = best.data();
            if (skip == 0 && end == block) {
                for (int i = 0; i < lanes; i++) out[i] = std::max<Key>(in[i], out[i]);
            } else {  // a row that holds other channels too
                for (int i = 0; i < lanes; i += block)
                    for (int lane = skip; lane < end; lane++) out[i + lane] = std::max<Key>(in[i + lane], out[i + lane]);
            }
        }
        for (int i = 0; i < count; i++) {
            const Key *lane = best.data() + i * block;
            Key top = least;
            for (int l = 0; l < block; l++) top = std::max(top, lane[l]);
            if (top <= limit && !none_below) continue;
            if constexpr (!std::is_integral_v<T>)
                if (top >= Order<T>::infinite && !(checked_highest(view, first, last, from + i) > conf)) continue;
            found.push_back(from + i);
        }
    }
    return found;
}

}  // namespace e2erknn
