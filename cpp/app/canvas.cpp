// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include "canvas.hpp"

#include <algorithm>
#include <cmath>

#include "font.hpp"

namespace e2erknn::app {
namespace {

// A text's letters as places in the font: one a code point, '?' for what it does not have.
std::vector<int> letters_of(const std::string &utf8) {
    std::vector<int> letters;
    for (char c : utf8) {
        const auto byte = static_cast<unsigned char>(c);
        if ((byte & 0xc0) == 0x80) continue;  // goes on with the code point before it
        letters.push_back(byte >= FIRST_LETTER && byte <= LAST_LETTER ? byte - FIRST_LETTER : '?' - FIRST_LETTER);
    }
    return letters;
}

void mix(std::uint8_t *pixel, Colour colour, double share) {
    const std::uint8_t parts[3] = {colour.r, colour.g, colour.b};
    for (int c = 0; c < 3; c++) pixel[c] = static_cast<std::uint8_t>(pixel[c] + (parts[c] - pixel[c]) * share + 0.5);
}

}  // namespace

void Canvas::stroke(Spot from, Spot to, double thickness, Colour colour) {
    const double radius = (thickness + 1) / 2, reach = radius + 1;  // soft edges lie outside, as OpenCV's
    const double dx = to.x - from.x, dy = to.y - from.y, square = dx * dx + dy * dy, length = std::sqrt(square);
    const auto pixel = [](double v, int limit) { return static_cast<int>(std::clamp(v, -1.0, limit + 1.0)); };
    const int top = std::max(0, pixel(std::floor(std::min(from.y, to.y) - reach), height()));
    const int bottom = std::min(height() - 1, pixel(std::ceil(std::max(from.y, to.y) + reach), height()));
    for (int y = top; y <= bottom; y++) {
        double low = std::min(from.x, to.x) - reach, high = std::max(from.x, to.x) + reach;
        if (std::fabs(dy) > 1) {  // only what lies near the line in this row
            const double middle = from.x + (y - from.y) * dx / dy, half = reach * length / std::fabs(dy);
            low = std::max(low, middle - half), high = std::min(high, middle + half);
        }
        const int left = std::max(0, pixel(std::floor(low), width()));
        const int right = std::min(width() - 1, pixel(std::ceil(high), width()));
        for (int x = left; x <= right; x++) {
            const double along =
                square > 0 ? std::clamp(((x - from.x) * dx + (y - from.y) * dy) / square, 0.0, 1.0) : 0;
            const double distance = std::hypot(x - from.x - along * dx, y - from.y - along * dy);
            const double share = std::clamp(radius + 0.5 - distance, 0.0, 1.0);
            if (share > 0) mix(at(x, y), colour, share);
        }
    }
}

void Canvas::fill(int left, int top, int right, int bottom, Colour colour) {
    for (int y = std::max(top, 0); y < std::min(bottom, height()); y++)
        for (int x = std::max(left, 0); x < std::min(right, width()); x++) mix(at(x, y), colour, 1);
}

void Canvas::tint(int x, int y, Colour colour) { mix(at(x, y), colour, 0.5); }

void Canvas::text(int left, int top, const std::string &utf8, int scale, Colour colour) {
    for (int letter : letters_of(utf8)) {
        for (int row = 0; row < LETTER_HEIGHT; row++)
            for (int column = 0; column < LETTER_WIDTH; column++)
                if (FONT[letter][row] >> (LETTER_WIDTH - 1 - column) & 1)
                    fill(left + column * scale, top + row * scale, left + (column + 1) * scale, top + (row + 1) * scale,
                         colour);
        left += (LETTER_WIDTH + 1) * scale;
    }
}

int Canvas::text_width(const std::string &utf8, int scale) {
    return static_cast<int>(letters_of(utf8).size()) * (LETTER_WIDTH + 1) * scale;
}

int Canvas::text_height(int scale) { return LETTER_HEIGHT * scale; }

}  // namespace e2erknn::app
