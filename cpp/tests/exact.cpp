// Runs recorded inputs and prints all of what was found, to the last digit: MODEL (INPUT WIDTH HEIGHT)...
// A line a detection: class, score, box, rotated box, key points, and its mask as left, top, width, height and digits;
// an empty line ends a picture.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "e2erknn/e2erknn.hpp"

namespace {

void print(const e2erknn::Detection &d) {
    std::printf("%d %.9g", d.class_id, static_cast<double>(d.score));
    for (float v : {d.x1, d.y1, d.x2, d.y2, d.obb.cx, d.obb.cy, d.obb.width, d.obb.height, d.obb.radians})
        std::printf(" %.9g", static_cast<double>(v));
    for (const auto &p : d.keypoints)
        for (float v : {p.x, p.y, p.visibility}) std::printf(" %.9g", static_cast<double>(v));
    if (d.mask.width) {
        std::printf(" %d %d %d %d ", d.mask.left, d.mask.top, d.mask.width, d.mask.height);
        for (auto inside : d.mask.inside) std::putchar('0' + inside);
    }
    std::putchar('\n');
}

void fill(const e2erknn::Input &input, const char *path) {
    std::FILE *file = std::fopen(path, "rb");
    if (!file) std::exit(2);
    for (int y = 0; y < input.height; y++)  // in place, as a camera would
        if (std::fread(input.data + static_cast<std::size_t>(y) * input.stride, 3,
                       static_cast<std::size_t>(input.width), file) != static_cast<std::size_t>(input.width))
            std::exit(2);
    std::fclose(file);
}

}  // namespace

int main(int count, char **words) {
    try {
        e2erknn::Model model(words[1]);
        for (int i = 2; i + 2 < count; i += 3) {
            const e2erknn::Input input = model.input();
            fill(input, words[i]);
            model.run();
            const auto letterbox =
                e2erknn::Letterbox::fit(std::atoi(words[i + 1]), std::atoi(words[i + 2]), input.width, input.height);
            for (const auto &d : model.decode(letterbox)) print(d);
            std::putchar('\n');
        }
    } catch (const e2erknn::Error &error) {
        std::fprintf(stderr, "Error: %s\n%s\n", error.problem().c_str(), error.fix().c_str());
        return 1;
    }
    return 0;
}
