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
    using Key = typename Order<T>::Key;
    long low = Order<T>::least;
    for (unsigned long long high = static_cast<unsigned long long>(static_cast<long long>(Order<T>::most) - low);
         high;) {
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

// Which lanes of a row of blocks are scores: a value is kept as (value & keep) | fill.
template <class Key> struct Lanes {
    std::vector<Key> keep, fill;
    Lanes(int skip, int end, int block, std::size_t count) : keep(count), fill(count) {
        for (int lane = 0; lane < block; lane++) {
            const bool wanted = lane >= skip && lane < end;
            keep[static_cast<std::size_t>(lane)] = static_cast<Key>(wanted ? -1 : 0);
            fill[static_cast<std::size_t>(lane)] = wanted ? Key{0} : std::numeric_limits<Key>::min();
        }
        for (std::size_t i = static_cast<std::size_t>(block); i < count; i++) {
            keep[i] = keep[i - static_cast<std::size_t>(block)];
            fill[i] = fill[i - static_cast<std::size_t>(block)];
        }
    }
};

// Anchors whose highest score in channels [first, last) is above conf, ascending.
template <class T> class Scan {
public:
    Scan(const View<T> &view, int first, int last, float conf)
        : view_(view), first_(first), last_(last), conf_(conf), limit_(limit_of<T>(conf, view.tensor())),
          all_(std::is_integral_v<T> && !(real(stored_of<T>(least), view.tensor()) <= conf)) {}

    std::vector<int> anchors() {
        if (last_ - first_ == 1 && view_.tensor().block > 1)
            one_lane();
        else
            rows();
        return std::move(found_);
    }

private:
    using Key = typename Order<T>::Key;
    using Stored [[gnu::may_alias]] = Key;
    static constexpr Key least = Order<T>::least;
    static constexpr int GROUP = 64;  // lanes looked at together

    const View<T> &view_;
    int first_, last_;
    float conf_;
    Key limit_;
    bool all_;  // not even the least is below conf
    std::vector<int> found_;

    bool above(Key top) const { return top > limit_ || all_; }

    void take(int cell, Key top) {
        if constexpr (!std::is_integral_v<T>)
            if (top >= Order<T>::infinite && !(checked_highest(view_, first_, last_, cell) > conf_)) return;
        found_.push_back(cell);
    }

    // A single class among other channels, as pose has: one value of each block is read.
    void one_lane() {
        const Stored *in = reinterpret_cast<const Stored *>(view_.channel(first_));
        const int cells = static_cast<int>(view_.tensor().cells()), block = view_.tensor().block;
        for (int cell = 0; cell < cells; cell++, in += block)
            if (above(*in)) take(cell, *in);
    }

    // A running maximum over rows, lane by lane, then over the lanes of those few groups of anchors that have one above.
    void rows() {
        const Tensor &tensor = view_.tensor();
        const int block = tensor.block, cells = static_cast<int>(tensor.cells());
        const int group = std::max(1, GROUP / block), tile = std::max(1, 2048 / (group * block)) * group;  // anchors
        const std::size_t tile_lanes = static_cast<std::size_t>(tile) * static_cast<std::size_t>(block);
        std::vector<Key> best(tile_lanes);
        const int first_row = first_ / block, last_row = (last_ - 1) / block;
        const Lanes<Key> head(first_ - first_row * block, last_ - first_row * block, block, tile_lanes);
        const Lanes<Key> tail(0, last_ - last_row * block, block, tile_lanes);
        const auto highest = [&](int from, int count) {
            Key top = least;
            for (int i = from * block; i < (from + count) * block; i++)
                top = std::max(top, best[static_cast<std::size_t>(i)]);
            return top;
        };
        for (int from = 0; from < cells; from += tile) {
            const int count = std::min(tile, cells - from), lanes = count * block;
            std::fill(best.begin(), best.end(), least);
            for (int row = first_row; row <= last_row; row++) {
                const Stored *in = reinterpret_cast<const Stored *>(view_.channel(row * block)) +
                                   static_cast<std::size_t>(from) * static_cast<std::size_t>(block);
                Key *out = best.data();
                const bool whole = row * block >= first_ && (row + 1) * block <= last_;
                const Lanes<Key> &some = row == first_row ? head : tail;
                const Key *keep = some.keep.data(), *fill = some.fill.data();
                if (whole)
                    for (int i = 0; i < lanes; i++) out[i] = std::max<Key>(in[i], out[i]);
                else
                    for (int i = 0; i < lanes; i++)
                        out[i] = std::max<Key>(static_cast<Key>((in[i] & keep[i]) | fill[i]), out[i]);
            }
            for (int start = 0; start < count; start += group) {
                if (!above(highest(start, group))) continue;
                for (int i = start; i < std::min(start + group, count); i++)
                    if (const Key top = highest(i, 1); above(top)) take(from + i, top);
            }
        }
    }
};

}  // namespace e2erknn
