// A made-up model of each task, with one object at a known place in each type and block of its outputs, opened and run
// on the pretended runtime: cmake -DE2ERKNN_TESTS=ON, then `cmake --build build --target test`. It needs nothing else.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include <sys/stat.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "e2erknn/e2erknn.hpp"
#include "rknn_abi.hpp"

namespace {

using namespace e2erknn;
using Bytes = std::vector<std::uint8_t>;

constexpr int SIDE = 64, SOURCE = 128;           // px, of the input and of the picture
constexpr std::uint32_t HEIGHT = 4, WIDTH = 21;  // of the grid: 64 + 16 + 4 cells
constexpr std::uint32_t AT = 10;                 // the cell where the object is
constexpr float STEP = 1.f / 64;                 // of integers; every value here is a multiple
constexpr int ZERO = -3;

// Box (x, y, w, h), two classes, and what the task adds.
struct Case {
    const char *task, *facts;
    std::vector<float> object;
    bool masks;
};
const Case CASES[] = {
    {"detect", "", {.5f, .5f, .5f, .25f, 0, .75f}, false},
    {"pose", ",\"kpt_shape\":[2,3]", {.5f, .5f, .5f, .25f, 0, .75f, .5f, .5f, 1, .25f, .5f, .5f}, false},
    {"segment", "", {.5f, .5f, .5f, .25f, 0, .75f, 1}, true},
    {"obb", "", {.5f, .5f, .5f, .25f, 0, .75f, .25f}, false},
};

void fail(const std::string &what) {
    std::fprintf(stderr, "FAILED: %s\n", what.c_str());
    std::exit(1);
}

void write(const std::string &path, const void *data, std::size_t size) {
    std::FILE *file = std::fopen(path.c_str(), "wb");
    if (!file || std::fwrite(data, 1, size, file) != size || std::fclose(file)) fail("cannot write " + path);
}

void append(Bytes &out, const void *data, std::size_t size) {
    const auto *bytes = static_cast<const std::uint8_t *>(data);
    out.insert(out.end(), bytes, bytes + size);
}

void append(Bytes &out, float value, std::int32_t type) {
    const auto stored = static_cast<int>(std::lrint(value / STEP)) + ZERO;
    const auto wide = static_cast<std::int16_t>(stored);
    const auto narrow = static_cast<std::int8_t>(stored);
    int exponent = 0;  // of a half: 0.5 <= fraction < 1
    const float fraction = std::frexp(value, &exponent);
    const auto half =
        static_cast<std::uint16_t>(value > 0 ? (exponent + 14) << 10 | static_cast<int>(fraction * 2048 - 1024) : 0);
    switch (type) {
    case abi::FLOAT32: return append(out, &value, 4);
    case abi::FLOAT16: return append(out, &half, 2);
    case abi::INT16: return append(out, &wide, 2);
    default: return append(out, &narrow, 1);
    }
}

abi::Attribute attribute(std::uint32_t index, const char *name, const std::vector<std::uint32_t> &dims,
                         std::int32_t format, std::int32_t type, std::uint32_t size) {
    abi::Attribute out{};
    out.index = index, out.format = format, out.type = type, out.size = out.size_with_stride = size;
    out.n_dims = static_cast<std::uint32_t>(dims.size());
    for (std::size_t i = 0; i < dims.size(); i++) out.dims[i] = dims[i];
    std::snprintf(out.name, sizeof out.name, "%s", name);
    out.scale = STEP, out.zero_point = ZERO;
    return out;
}

// An output (channels, height, width) with the object in a cell, in blocks; 0 elsewhere.
void output(const std::string &folder, Bytes &attributes, std::uint32_t index, const std::vector<float> &object,
            std::uint32_t height, std::uint32_t width, bool everywhere, std::int32_t type, std::uint32_t block) {
    const auto channels = static_cast<std::uint32_t>(object.size()), rows = (channels + block - 1) / block;
    const char *name = index ? "output1" : "output0";
    Bytes content;
    for (std::uint32_t row = 0; row < rows; row++)
        for (std::uint32_t cell = 0; cell < height * width; cell++)
            for (std::uint32_t c = row * block; c < (row + 1) * block; c++)
                append(content, c < channels && (everywhere || cell == AT) ? object[c] : 0, type);
    const auto size = static_cast<std::uint32_t>(content.size());
    const auto plain = attribute(index, name, {1, channels, height, width}, abi::NCHW, type, size);
    const auto native =
        block == 1 ? plain : attribute(index, name, {1, rows, height, width, block}, abi::NC1HWC2, type, size);
    append(attributes, &plain, sizeof plain);
    append(attributes, &native, sizeof native);
    write(folder + "/output-0-" + std::to_string(index) + ".bin", content.data(), content.size());
}

void near(float found, float wanted, const std::string &what) {
    if (!(std::fabs(found - wanted) < 1e-3f))
        fail(what + " is " + std::to_string(found) + ", not " + std::to_string(wanted));
}

void check(const Detection &d, const std::string &task) {
    if (d.class_id != 1) fail("the class of " + task);
    near(d.score, .75f, "the score");
    if (task == "obb") {
        near(d.obb.cx, 64, "the centre's x"), near(d.obb.cy, 64, "the centre's y");
        near(d.obb.width, 64, "the width"), near(d.obb.height, 32, "the height"),
            near(d.obb.radians, .25f, "the angle");
        return;
    }
    near(d.x1, 32, "x1"), near(d.y1, 48, "y1"), near(d.x2, 96, "x2"), near(d.y2, 80, "y2");
    if (task == "pose") {
        near(d.keypoints.at(0).x, 64, "a point's x"), near(d.keypoints.at(0).visibility, 1, "its visibility");
        near(d.keypoints.at(1).x, 32, "a point's x"), near(d.keypoints.at(1).visibility, .5f, "its visibility");
    }
    if (task == "segment") {
        if (d.mask.width != 64 || d.mask.height != 32) fail("the size of the mask");
        for (auto inside : d.mask.inside)
            if (!inside) fail("a hole in the mask");
    }
}

}  // namespace

int main(int count, char **words) {
    if (count != 2) return 2;  // a folder for what it writes
    const std::string folder = words[1], model = folder + "/model.rknn";
    mkdir(folder.c_str(), 0777);
    setenv("E2ERKNN_STANDIN", folder.c_str(), 1);
    Bytes file(64, 0);
    std::memcpy(file.data(), "RKNN", 4);
    write(model, file.data(), file.size());
    const Bytes picture(SOURCE * SOURCE * 3, 114), input(SIDE * SIDE * 3, 114);
    write(folder + "/input-0.bin", input.data(), input.size());
    int runs = 0;
    for (const Case &one : CASES)
        for (std::int32_t type : {abi::FLOAT32, abi::FLOAT16, abi::INT16, abi::INT8})
            for (std::uint32_t block : {1u, 4u, 8u, 16u}) {
                const std::string facts = std::string("{\"soc\":\"rk3588\",\"task\":\"") + one.task +
                                          "\",\"imgsz\":[64,64],\"layout\":\"grid\",\"nms_free\":false,\"classes\":2," +
                                          "\"names\":\"circle\\nsquare\"" + one.facts + "}";
                write(folder + "/custom.json", facts.data(), facts.size());
                Bytes attributes;
                auto in = attribute(0, "images", {1, SIDE, SIDE, 3}, abi::NHWC, abi::INT8, SIDE * SIDE * 3);
                in.w_stride = SIDE;
                append(attributes, &in, sizeof in);
                append(attributes, &in, sizeof in);
                output(folder, attributes, 0, one.object, HEIGHT, WIDTH, false, type, block);
                if (one.masks) output(folder, attributes, 1, {1}, SIDE / 4, SIDE / 4, true, type, block);
                write(folder + "/attributes.bin", attributes.data(), attributes.size());
                try {
                    Model opened(model);
                    const auto found = opened.detect({picture.data(), SOURCE, SOURCE, SOURCE * 3});
                    if (found.size() != 1) fail(std::to_string(found.size()) + " found by " + one.task);
                    check(found[0], one.task);
                } catch (const Error &error) {
                    fail(error.problem() + " " + error.fix());
                }
                runs++;
            }
    std::printf("%d models found their object\n", runs);
    return 0;
}
