// Outlines of a mask by border following (Suzuki and Abe 1985, outermost borders only).
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include <algorithm>
#include <cstdlib>

#include "e2erknn/e2erknn.hpp"

namespace e2erknn {
namespace {

using Outline = std::vector<std::pair<int, int>>;

// The eight neighbours, clockwise on a picture whose y grows downwards, from the right one.
constexpr int DX[8] = {1, 1, 0, -1, -1, -1, 0, 1}, DY[8] = {0, 1, 1, 1, 0, -1, -1, -1};

enum : std::uint8_t { EMPTY, PART, OUTSIDE };

// A mask with a frame of empty pixels around it, so that nobody looks beyond its edge.
class Framed {
public:
    explicit Framed(const Mask &mask)
        : width_(mask.width + 2), height_(mask.height + 2),
          pixels_(static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_)) {
        for (int y = 0; y < mask.height; y++)
            for (int x = 0; x < mask.width; x++)
                at(x, y) = mask.inside[static_cast<std::size_t>(y) * static_cast<std::size_t>(mask.width) +
                                       static_cast<std::size_t>(x)] != 0;
        fill(-1, -1, EMPTY, OUTSIDE, 2);  // across corners only parts hang together
    }
    std::uint8_t &at(int x, int y) {
        return pixels_[static_cast<std::size_t>(y + 1) * static_cast<std::size_t>(width_) +
                       static_cast<std::size_t>(x + 1)];
    }
    // Gives all that hangs together with (x, y) and is `from` the value `to`. step: 1 for 8 neighbours, 2 for 4.
    void fill(int x, int y, std::uint8_t from, std::uint8_t to, int step) {
        at(x, y) = to;
        stack_.assign(1, {x, y});
        while (!stack_.empty()) {
            const auto [cx, cy] = stack_.back();
            stack_.pop_back();
            for (int i = 0; i < 8; i += step) {
                const int nx = cx + DX[i], ny = cy + DY[i];
                if (nx < -1 || ny < -1 || nx > width_ - 2 || ny > height_ - 2 || at(nx, ny) != from) continue;
                at(nx, ny) = to;
                stack_.emplace_back(nx, ny);
            }
        }
    }

private:
    int width_, height_;
    std::vector<std::uint8_t> pixels_;
    std::vector<std::pair<int, int>> stack_;
};

// The border of the part whose topmost, leftmost pixel is (x, y): the ends of its straight runs, in order.
Outline follow(Framed &mask, int x, int y) {
    const int start_x = x, start_y = y;
    int first = 4;  // its left neighbour is empty; look on counterclockwise from there for the last pixel of the border
    int steps = 0;
    while (steps < 8 && mask.at(x + DX[first], y + DY[first]) != PART) first = (first + 1) % 8, steps++;
    if (steps == 8) return {{x, y}};
    const int last_x = x + DX[first], last_y = y + DY[first];
    Outline border;
    int back = first, before = -1;
    for (;;) {
        // From the pixel we came from, turn counterclockwise to the next one of the part.
        int turn = back;
        do turn = (turn + 7) % 8;
        while (mask.at(x + DX[turn], y + DY[turn]) != PART);
        if (turn != before) border.emplace_back(x, y);
        before = turn;
        const int next_x = x + DX[turn], next_y = y + DY[turn];
        if (next_x == start_x && next_y == start_y && x == last_x && y == last_y) break;
        x = next_x, y = next_y;
        back = (turn + 4) % 8;
    }
    return border;
}

double area(const Outline &outline) {
    double twice = 0;
    for (std::size_t i = 0, j = outline.size() - 1; i < outline.size(); j = i++)
        twice += static_cast<double>(outline[j].first) * outline[i].second -
                 static_cast<double>(outline[i].first) * outline[j].second;
    return std::abs(twice) / 2;
}

}  // namespace

std::vector<Outline> outlines(const Mask &mask) {
    Framed pixels(mask);
    std::vector<Outline> found;
    for (int y = 0; y < mask.height; y++)
        for (int x = 0; x < mask.width; x++) {
            if (pixels.at(x, y) != PART) continue;
            const bool outermost = pixels.at(x - 1, y) == OUTSIDE;  // else it lies in a hole of another part
            Outline outline = outermost ? follow(pixels, x, y) : Outline();
            pixels.fill(x, y, PART, EMPTY, 1);
            if (outline.size() <= 2) continue;
            for (auto &[px, py] : outline) px += mask.left, py += mask.top;
            found.push_back(std::move(outline));
        }
    std::stable_sort(found.begin(), found.end(), [](const Outline &a, const Outline &b) { return area(a) > area(b); });
    return found;
}

}  // namespace e2erknn
