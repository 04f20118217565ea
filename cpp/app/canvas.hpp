// Drawing on a picture: one brush, and letters.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#pragma once
#include "picture.hpp"

namespace e2erknn::app {

struct Colour {
    std::uint8_t r, g, b;
};

struct Spot {
    double x, y;  // px
};

class Canvas {
public:
    explicit Canvas(Image &image) : image_(image) {}
    int width() const { return image_.width; }
    int height() const { return image_.height; }
    // A line with round ends and soft edges; of no length it is a disc.
    void stroke(Spot from, Spot to, double thickness, Colour colour);
    void fill(int left, int top, int right, int bottom, Colour colour);
    // Colours a pixel half.
    void tint(int x, int y, Colour colour);
    // Letters of the built-in font, others as '?'; each of its dots `scale` px wide.
    void text(int left, int top, const std::string &utf8, int scale, Colour colour);
    static int text_width(const std::string &utf8, int scale);
    static int text_height(int scale);

private:
    Image &image_;
    std::uint8_t *at(int x, int y) {
        return image_.rgb.data() +
               (static_cast<std::size_t>(y) * static_cast<std::size_t>(image_.width) + static_cast<std::size_t>(x)) * 3;
    }
};

}  // namespace e2erknn::app
