// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include "drawing.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "canvas.hpp"
#include "font.hpp"

namespace e2erknn::app {
namespace {

// Colours told apart on photographs (Ultralytics' palette).
constexpr Colour PALETTE[] = {
    {4, 42, 255},  {11, 219, 235}, {243, 243, 243}, {0, 223, 183},  {17, 31, 104},  {255, 111, 221}, {255, 68, 79},
    {204, 237, 0}, {0, 243, 68},   {189, 0, 255},   {0, 180, 255},  {221, 0, 186},  {0, 255, 255},   {38, 192, 0},
    {1, 255, 179}, {125, 36, 255}, {123, 0, 104},   {255, 27, 108}, {252, 109, 47}, {162, 255, 11},
};
constexpr std::size_t LONGEST = 80;  // bytes of a class name that are drawn
constexpr float VISIBLE = 0.5f;      // key points less certain than this are not drawn

Colour colour_of(int index) { return PALETTE[static_cast<std::size_t>(index) % std::size(PALETTE)]; }

// Line width in px that suits the picture.
int thickness_of(const Canvas &canvas) {
    return std::max(static_cast<int>(std::nearbyint((canvas.width() + canvas.height()) / 2.0 * 0.003)), 2);
}

// Corners of a rotated box, in order around it.
void corners(const RotatedBox &box, Spot (&out)[4]) {
    const double cosine = std::cos(box.radians), sine = std::sin(box.radians);
    constexpr int TURNS[4][2] = {{1, 1}, {1, -1}, {-1, -1}, {-1, 1}};
    for (int i = 0; i < 4; i++) {
        const double along = TURNS[i][0] * box.width / 2.0, across = TURNS[i][1] * box.height / 2.0;
        out[i] = {box.cx + along * cosine - across * sine, box.cy + along * sine + across * cosine};
    }
}

void outline(Canvas &canvas, const Spec &spec, const Detection &d) {
    const Spot upright[4] = {{d.x1, d.y1}, {d.x2, d.y1}, {d.x2, d.y2}, {d.x1, d.y2}};
    Spot turned[4];
    corners(d.obb, turned);
    const Spot *around = spec.task == Task::obb ? turned : upright;
    for (int i = 0; i < 4; i++)
        canvas.stroke(around[i], around[(i + 1) % 4], thickness_of(canvas), colour_of(d.class_id));
}

void skeleton(Canvas &canvas, const Spec &spec, const Detection &d) {
    const int width = thickness_of(canvas);
    const auto seen = [](const KeyPoint &p) { return p.visibility > VISIBLE; };
    for (const auto &[a, b] : spec.skeleton) {
        const KeyPoint &from = d.keypoints[static_cast<std::size_t>(a)], &to = d.keypoints[static_cast<std::size_t>(b)];
        if (seen(from) && seen(to)) canvas.stroke({from.x, from.y}, {to.x, to.y}, width, colour_of(b + 9));
    }
    for (std::size_t i = 0; i < d.keypoints.size(); i++) {
        const KeyPoint &point = d.keypoints[i];
        const Spot place{point.x, point.y};
        if (seen(point)) canvas.stroke(place, place, 2 * (width + 2), colour_of(static_cast<int>(i)));
    }
}

void tint(Canvas &canvas, const Detection &d) {
    for (int y = 0; y < d.mask.height; y++)
        for (int x = 0; x < d.mask.width; x++)
            if (d.mask.inside[static_cast<std::size_t>(y) * static_cast<std::size_t>(d.mask.width) +
                              static_cast<std::size_t>(x)])
                canvas.tint(d.mask.left + x, d.mask.top + y, colour_of(d.class_id));
}

// Where a label points to: the box's corner, of a rotated box its topmost one.
Spot anchor_of(const Spec &spec, const Detection &d) {
    if (spec.task != Task::obb) return {d.x1, d.y1};
    Spot around[4];
    corners(d.obb, around);
    return *std::min_element(around, around + 4, [](const Spot &a, const Spot &b) { return a.y < b.y; });
}

struct Tile {
    int left, top, right, bottom;
};

// Class and score; none that would cover a better one's.
void labels(Canvas &canvas, const Spec &spec, const std::vector<Detection> &detections) {
    const int scale = std::max(1, thickness_of(canvas) * 5 / 10), margin = 3;
    std::vector<Tile> taken;
    for (const Detection &d : detections) {
        char score[16];
        std::snprintf(score, sizeof score, " %.2f", static_cast<double>(d.score));
        const std::string text = spec.name(d.class_id).substr(0, LONGEST) + score;
        const int width = Canvas::text_width(text, scale) + 2 * margin,
                  height = Canvas::text_height(scale) + 2 * margin;
        const Spot spot = anchor_of(spec, d);
        const int left = static_cast<int>(std::min(std::max(spot.x, 0.0), std::max(canvas.width() - width, 0) + 0.0));
        const int edge = static_cast<int>(std::min(std::max(spot.y, 0.0), canvas.height() + 0.0));
        const int top = edge < height ? edge : edge - height;  // no room above: inside the box
        const Tile tile{left, top, left + width, top + height};
        const auto covers = [&](const Tile &t) {
            return tile.left < t.right && t.left < tile.right && tile.top < t.bottom && t.top < tile.bottom;
        };
        if (std::any_of(taken.begin(), taken.end(), covers)) continue;
        taken.push_back(tile);
        const Colour colour = colour_of(d.class_id);
        const bool dark = 0.299 * colour.r + 0.587 * colour.g + 0.114 * colour.b < 140;
        canvas.fill(tile.left, tile.top, tile.right, tile.bottom, colour);
        canvas.text(left + margin, top + margin, text, scale, dark ? Colour{255, 255, 255} : Colour{0, 0, 0});
    }
}

}  // namespace

void draw(Image &image, const Spec &spec, const std::vector<Detection> &detections) {
    Canvas canvas(image);
    for (const Detection &d : detections) {
        if (spec.task == Task::segment) tint(canvas, d);
        if (spec.task == Task::pose) skeleton(canvas, spec, d);
    }
    for (const Detection &d : detections) outline(canvas, spec, d);
    labels(canvas, spec, detections);
}

}  // namespace e2erknn::app
