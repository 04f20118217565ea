// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include "resize.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace e2erknn {
namespace {

constexpr int ONE = 2048;  // weights have 11 bits

// Between which two source pixels (or rows) an output one lies, and their weights.
struct Place {
    int before, after;
    std::int16_t weight_before, weight_after;
};

std::vector<Place> places(int source, int size) {
    std::vector<Place> out(static_cast<std::size_t>(size));
    const double scale = static_cast<double>(source) / size;
    for (int i = 0; i < size; i++) {
        float at = static_cast<float>((i + 0.5) * scale - 0.5);
        int cell = static_cast<int>(std::floor(at));
        at -= static_cast<float>(cell);
        if (cell < 0) cell = 0, at = 0;
        if (cell >= source - 1) cell = source - 1, at = 0;
        out[static_cast<std::size_t>(i)] = {cell, std::min(cell + 1, source - 1),
                                            static_cast<std::int16_t>(std::lrint((1.f - at) * ONE)),
                                            static_cast<std::int16_t>(std::lrint(at * ONE))};
    }
    return out;
}

// One output pixel of a source row; 15 bits a channel. `out` has room for a fourth channel, `from` for 8 bytes.
inline void blend(const std::uint8_t *from, const Place &place, std::int16_t *out) {
#if defined(__SSE2__)
    const __m128i zero = _mm_setzero_si128();
    const __m128i pair = _mm_unpacklo_epi8(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(from)), zero);
    const __m128i both = _mm_unpacklo_epi16(pair, _mm_srli_si128(pair, 6));  // r0 r1 g0 g1 b0 b1
    const int weights = static_cast<std::uint16_t>(place.weight_before) | place.weight_after << 16;
    const __m128i sum = _mm_srai_epi32(_mm_madd_epi16(both, _mm_set1_epi32(weights)), 4);
    _mm_storel_epi64(reinterpret_cast<__m128i *>(out), _mm_packs_epi32(sum, sum));
#elif defined(__ARM_NEON)
    const int16x8_t pair = vreinterpretq_s16_u16(vmovl_u8(vld1_u8(from)));
    const int16x4_t first = vget_low_s16(pair), second = vget_low_s16(vextq_s16(pair, pair, 3));
    const int32x4_t sum = vmlal_n_s16(vmull_n_s16(first, place.weight_before), second, place.weight_after);
    vst1_s16(out, vshrn_n_s32(sum, 4));
#else
    for (int c = 0; c < 3; c++)
        out[c] = static_cast<std::int16_t>((from[c] * place.weight_before + from[c + 3] * place.weight_after) >> 4);
#endif
}

// A source row scaled to the output's width.
void horizontal(const std::uint8_t *row, int source, const std::vector<Place> &xs, std::int16_t *out) {
    const int whole = source - 3;  // from here on 8 bytes may not be there
    std::size_t x = 0;
    for (; x < xs.size() && xs[x].before <= whole; x++) blend(row + xs[x].before * 3, xs[x], out + x * 3);
    for (; x < xs.size(); x++)
        for (int c = 0; c < 3; c++)
            out[x * 3 + static_cast<std::size_t>(c)] = static_cast<std::int16_t>(
                (row[xs[x].before * 3 + c] * xs[x].weight_before + row[xs[x].after * 3 + c] * xs[x].weight_after) >> 4);
}

void vertical(const std::int16_t *above, const std::int16_t *below, const Place &place, std::uint8_t *out, int count) {
    const std::int16_t a = place.weight_before, b = place.weight_after;
    for (int i = 0; i < count; i++) {
        const auto high = static_cast<std::int16_t>(above[i] * a >> 16);
        const auto low = static_cast<std::int16_t>(below[i] * b >> 16);
        out[i] = static_cast<std::uint8_t>(static_cast<std::int16_t>(high + low + 2) >> 2);
    }
}

}  // namespace

void resize(const Picture &picture, std::uint8_t *out, int width, int height, std::size_t out_stride) {
    const std::size_t row = static_cast<std::size_t>(width) * 3;
    if (picture.width == width && picture.height == height) {
        for (int y = 0; y < height; y++)
            std::memcpy(out + static_cast<std::size_t>(y) * out_stride,
                        picture.rgb + static_cast<std::size_t>(y) * picture.stride, row);
        return;
    }
    const auto xs = places(picture.width, width), ys = places(picture.height, height);
    std::vector<std::int16_t> lines[2] = {std::vector<std::int16_t>(row + 1), std::vector<std::int16_t>(row + 1)};
    int held[2] = {-1, -1};
    // The scaled source row, made once: an output row needs two, and the next one often the same.
    const auto line = [&](int y, int other) {
        for (int k : {0, 1})
            if (held[k] == y) return lines[k].data();
        const int k = held[0] == other ? 1 : 0;
        horizontal(picture.rgb + static_cast<std::size_t>(y) * picture.stride, picture.width, xs, lines[k].data());
        held[k] = y;
        return lines[k].data();
    };
    for (int y = 0; y < height; y++) {
        const Place &place = ys[static_cast<std::size_t>(y)];
        const std::int16_t *above = line(place.before, place.after), *below = line(place.after, place.before);
        vertical(above, below, place, out + static_cast<std::size_t>(y) * out_stride, static_cast<int>(row));
    }
}

}  // namespace e2erknn
