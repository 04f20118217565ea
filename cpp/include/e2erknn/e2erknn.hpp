// e2erknn: models made by `e2erknn convert`, run on Rockchip NPUs.
// Copyright (C) 2025 the rknn_zoo_e2e authors. AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
//
// A model is opened once, and given pictures:
//
//     e2erknn::Model model("yolov8n-rk3588-int8.rknn");
//     for (const auto &d : model.detect({rgb, width, height, width * 3}))
//         std::printf("%s %.2f\n", model.spec().name(d.class_id).c_str(), d.score);
//
// Everything that goes wrong is an e2erknn::Error of two sentences: what is wrong, and what to do.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#define E2ERKNN_API __attribute__((visibility("default")))

namespace e2erknn {

// What a user can put right. what() is both sentences.
class E2ERKNN_API Error : public std::runtime_error {
public:
    Error(std::string problem, std::string fix);
    ~Error() override;
    const std::string &problem() const { return problem_; }  // what is wrong, a sentence
    const std::string &fix() const { return fix_; }          // what to do next, a sentence

private:
    std::string problem_, fix_;
};

// A value outside its range, an unknown name: the call itself cannot mean anything.
class E2ERKNN_API UsageError : public Error {
public:
    using Error::Error;
    ~UsageError() override;
};

enum class Task { detect, pose, segment, obb };
enum class Type { float32, float16, int8, uint8, int16 };

// What a model is. All of it comes from the .rknn itself (its custom string), nothing is compiled in.
struct E2ERKNN_API Spec {
    Task task = Task::detect;
    int width = 0, height = 0;                  // of the input, px
    int classes = 0;                            // 1 to 20,000
    int points = 0, values = 0;                 // key points; 2 (x, y) or 3 (x, y, visibility) values each; pose only
    bool nms_free = false;                      // one box an object comes out: nothing is suppressed
    bool grid = false;                          // layout grid (1, C, H, W), else flat (1, C, A)
    bool pixels = false;                        // boxes are in px of the input (made for Frigate), else 0..1
    std::string soc;                            // such as rk3588
    std::vector<std::string> names;             // by class id; empty where the file had no room for them
    std::vector<std::pair<int, int>> skeleton;  // pairs of key points to join when drawing

    // Reads the custom string, JSON. Throws Error where it is none of ours.
    static Spec parse(const std::string &json);
    // Name of a class, "class 7" where names are missing.
    std::string name(int class_id) const;
    // Channels of output0 before masks or whatever follows: 4 + classes.
    int scores_end() const { return 4 + classes; }
};

// Ultralytics' post-processing arguments.
struct Thresholds {
    float conf = 0.25f;        // scores above it, 0 to 1
    double iou = 0.7;          // overlap above which the weaker box goes, 0 to 1
    int max_det = 300;         // most detections a picture, 1 or more
    std::vector<int> classes;  // of these classes only; empty: all
};

// An output as the NPU keeps it: channels of all cells, planar (C, cells) where block is 1, else
// (ceil(C / block), cells, block): Rockchip's NC1HWC2. NHWC is a block of all channels.
struct Tensor {
    const void *data = nullptr;
    std::size_t bytes = 0;
    Type type = Type::float32;
    int channels = 0, height = 1, width = 0, block = 1;  // a flat output has height 1
    float scale = 1;                                     // real = (stored - zero) * scale; integers only
    int zero = 0;

    std::size_t cells() const { return static_cast<std::size_t>(height) * static_cast<std::size_t>(width); }
};

// Where a picture lies in the model's input: scaled with its proportions kept, centred, padded with grey 114.
struct E2ERKNN_API Letterbox {
    int source_width, source_height;  // px
    int width, height;                // of the input, px
    int inner_width, inner_height;    // what the picture fills of it, px
    int left, top;                    // padding before it, px

    // Throws UsageError where a size is not from 1 to 32,767 px.
    static Letterbox fit(int source_width, int source_height, int width, int height);
    // Input px per source px; whole inner px make them differ a little.
    float gain_x() const { return static_cast<float>(static_cast<double>(inner_width) / source_width); }
    float gain_y() const { return static_cast<float>(static_cast<double>(inner_height) / source_height); }
    // Input px to source px, not clipped.
    float x(float input) const { return (input - static_cast<float>(left)) / gain_x(); }
    float y(float input) const { return (input - static_cast<float>(top)) / gain_y(); }
    // An RGB picture with rows `stride` bytes apart into an RGB input with rows `input_stride` bytes apart.
    void apply(const std::uint8_t *rgb, std::size_t stride, std::uint8_t *input, std::size_t input_stride) const;
};

// An RGB picture, 3 bytes a pixel, rows `stride` bytes apart. It belongs to the caller.
struct Picture {
    const std::uint8_t *rgb = nullptr;
    int width = 0, height = 0;  // px
    std::size_t stride = 0;     // bytes
};

struct KeyPoint {
    float x, y;        // source px, inside the picture
    float visibility;  // 0 to 1; 1 where the model has none
};

struct RotatedBox {
    float cx, cy, width, height;  // source px
    float radians;                // 0 to pi/2
};

// An instance's mask inside its box.
struct Mask {
    int left = 0, top = 0, width = 0, height = 0;  // source px
    std::vector<std::uint8_t> inside;              // height x width, 1 where a pixel belongs to it
};

// In source px, best score first.
struct Detection {
    float x1, y1, x2, y2;  // inside the picture; of a rotated box the upright rectangle around it
    float score;           // 0 to 1
    int class_id;
    int anchor;                       // the cell of output0 it came from
    std::vector<KeyPoint> keypoints;  // pose only
    RotatedBox obb{};                 // obb only
    Mask mask;                        // segment only
};

// A model's outputs, in its order, to detections: the same set and order as the Python package finds in the same
// values. Throws Error where an output is not this model's, or where a value it depends on is no number.
E2ERKNN_API std::vector<Detection> decode(const Spec &spec, const std::vector<Tensor> &outputs,
                                          const Letterbox &letterbox, const Thresholds &thresholds = {});

// Outlines of a mask's parts, (x, y) in source px, largest first; parts of under three points are left out.
E2ERKNN_API std::vector<std::vector<std::pair<int, int>>> outlines(const Mask &mask);

// Milliseconds of a model's last picture by stage.
struct Times {
    double pre = 0, infer = 0, post = 0;
};

// The NPU's own input memory, to be written by a camera, RGA or the caller: RGB, 8 bits.
struct Input {
    std::uint8_t *data = nullptr;
    int width = 0, height = 0;  // px
    std::size_t stride = 0;     // bytes from row to row
    int fd = -1;                // DMA buffer, for RGA
};

// One context on the NPU, used by one thread at a time. Inputs and outputs stay where the NPU reads and writes them.
class E2ERKNN_API Model {
public:
    static constexpr int any_core = -1;

    // Opens a .rknn. Where metadata.yaml lies beside it, its checksum is compared first.
    // core: 0, 1, 2, or any_core to leave it to the driver.
    explicit Model(const std::string &path, int core = any_core);
    ~Model();
    Model(Model &&) noexcept;
    Model &operator=(Model &&) noexcept;

    // Another context of the same model, for another thread and core; weights are shared where the runtime can.
    Model clone(int core = any_core) const;

    const Spec &spec() const;
    // The same as the .rknn holds it, JSON.
    const std::string &json() const;
    // The model's name: of its bundle, else of its file.
    const std::string &name() const;
    // What somebody should know though nothing failed, such as that no checksum was at hand; "" if nothing.
    const std::string &note() const;
    // Version of the runtime library and of the driver.
    const std::string &runtime() const;

    // Letterbox, run, decode.
    std::vector<Detection> detect(const Picture &picture, const Thresholds &thresholds = {});

    // The same in steps. What is in input() is run; decode() reads the outputs in place.
    Input input();
    void run();
    std::vector<Detection> decode(const Letterbox &letterbox, const Thresholds &thresholds = {});
    // The outputs of the last run, as the NPU keeps them.
    const std::vector<Tensor> &outputs() const;

    Times times() const;

private:
    struct State;
    explicit Model(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

E2ERKNN_API const char *version();

}  // namespace e2erknn
