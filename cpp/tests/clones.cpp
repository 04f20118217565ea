// Opens a model and clones of it on other cores, and runs the recorded input given as a raw file on each: how many
// detections each found, a line each.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include <cstdio>
#include <cstring>

#include "e2erknn/e2erknn.hpp"

int main(int count, char **words) {
    if (count != 3) return 2;
    try {
        e2erknn::Model first(words[1], 0);
        e2erknn::Model second = first.clone(1), third = second.clone();
        const e2erknn::Input size = first.input();
        std::vector<std::uint8_t> rgb(static_cast<std::size_t>(size.width * size.height * 3));
        std::FILE *file = std::fopen(words[2], "rb");
        if (!file || std::fread(rgb.data(), 1, rgb.size(), file) != rgb.size()) return 2;
        std::fclose(file);
        const auto letterbox = e2erknn::Letterbox::fit(size.width, size.height, size.width, size.height);
        for (e2erknn::Model *model : {&first, &second, &third}) {
            const e2erknn::Input input = model->input();  // written in place, as a camera would
            for (int y = 0; y < input.height; y++)
                std::memcpy(input.data + static_cast<std::size_t>(y) * input.stride, rgb.data() + y * input.width * 3,
                            static_cast<std::size_t>(input.width) * 3);
            model->run();
            std::printf("%zu\n", model->decode(letterbox).size());
        }
    } catch (const e2erknn::Error &error) {
        std::fprintf(stderr, "Error: %s\n%s\n", error.problem().c_str(), error.fix().c_str());
        return 1;
    }
    return 0;
}
