// Any values in outputs of any shape, type and block: an Error or detections inside the picture.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include <cstdlib>
#include <cstring>

#include "e2erknn/e2erknn.hpp"

namespace {

using namespace e2erknn;

struct Bytes {
    const std::uint8_t *data;
    std::size_t size;
    int next(int least, int most) {
        const int value = size ? *data : 0;
        if (size) data++, size--;
        return least + value % (most - least + 1);
    }
};

// A tensor's memory, exactly as large as it must be, filled with what is left of the input over and over.
struct Held {
    void *memory;
    Tensor tensor;
    Held(Bytes &bytes, Type type, int channels, int height, int width, int block) {
        constexpr std::size_t SIZES[] = {4, 2, 1, 1, 2};
        const int rows = (channels + block - 1) / block;
        const std::size_t size =
            static_cast<std::size_t>(rows * block * height * width) * SIZES[static_cast<int>(type)];
        memory = std::malloc(size);
        auto *out = static_cast<std::uint8_t *>(memory);
        for (std::size_t i = 0; i < size; i++) out[i] = bytes.size ? bytes.data[i % bytes.size] : 0;
        tensor = {memory, size, type, channels, height, width, block, 0.01f, 3};
    }
    ~Held() { std::free(memory); }
    Held(const Held &) = delete;
    Held &operator=(const Held &) = delete;
};

void check(const std::vector<Detection> &found, const Letterbox &letterbox) {
    for (const Detection &d : found) {
        const bool inside = d.x1 >= 0 && d.y1 >= 0 && d.x2 <= static_cast<float>(letterbox.source_width) &&
                            d.y2 <= static_cast<float>(letterbox.source_height) && d.score > 0 && d.score <= 1;
        if (!inside) __builtin_trap();
        if (d.mask.width) outlines(d.mask);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    Bytes bytes{data, size};
    Spec spec;
    spec.task = static_cast<Task>(bytes.next(0, 3));
    spec.width = 8 * bytes.next(1, 6), spec.height = 8 * bytes.next(1, 6);
    spec.classes = bytes.next(1, 20);
    spec.nms_free = bytes.next(0, 1) != 0;
    int channels = spec.scores_end(), masks = bytes.next(1, 9);
    if (spec.task == Task::pose) {
        spec.points = bytes.next(1, 5), spec.values = bytes.next(2, 3);
        channels += spec.points * spec.values;
    }
    if (spec.task == Task::obb) channels++;
    if (spec.task == Task::segment) channels += masks;
    const Type type = static_cast<Type>(bytes.next(0, 4));
    const int block = bytes.next(1, 17);
    const Letterbox letterbox = Letterbox::fit(bytes.next(1, 90), bytes.next(1, 90), spec.width, spec.height);
    Thresholds thresholds;
    thresholds.conf = static_cast<float>(bytes.next(0, 9)) / 10;
    thresholds.max_det = bytes.next(1, 20);
    Held output(bytes, type, channels, spec.height / 8, spec.width / 8, block);
    Held protos(bytes, type, masks, spec.height / 4, spec.width / 4, block);
    std::vector<Tensor> outputs{output.tensor};
    if (spec.task == Task::segment) outputs.push_back(protos.tensor);
    try {
        check(decode(spec, outputs, letterbox, thresholds), letterbox);
    } catch (const Error &) {
    }
    return 0;
}
