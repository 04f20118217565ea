// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include "fit.hpp"

#include <cmath>
#include <cstdio>

#include "numbers.hpp"

namespace e2erknn {
namespace {

constexpr int LARGEST = 1 << 24;  // channels and cells; far beyond any model, and no product of two overflows
constexpr int MOST_MASKS = 1024;

std::string number(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%g", value);
    return text;
}

[[noreturn]] void misfit(const std::string &what) {
    throw Error("What the NPU gave does not fit the model: " + what + ".",
                "Build it again with: e2erknn convert, of this version.");
}

void check_share(const char *name, double value) {
    if (!(value >= 0 && value <= 1))
        throw UsageError(std::string(name) + " " + number(value) + " is not from 0 to 1.",
                         std::string("Give one that is, such as ") + name + " 0.5.");
}

void check_tensor(const Tensor &tensor, int index) {
    const std::string name = "output" + std::to_string(index);
    if (tensor.channels < 1 || tensor.height < 1 || tensor.width < 1 || tensor.block < 1 || tensor.channels > LARGEST ||
        tensor.height > LARGEST || tensor.width > LARGEST || tensor.block > LARGEST ||
        static_cast<long long>(tensor.height) * tensor.width > LARGEST)
        misfit(name + " has an impossible shape");
    const auto whole = [](unsigned long long n, unsigned long long by) { return (n + by - 1) / by; };
    const unsigned long long rows =
        whole(static_cast<unsigned long long>(tensor.channels), static_cast<unsigned long long>(tensor.block));
    const unsigned long long values = rows * static_cast<unsigned long long>(tensor.block) * tensor.cells();
    if (tensor.data == nullptr || values > tensor.bytes / size_of(tensor.type))
        misfit(name + " has " + std::to_string(tensor.bytes) + " bytes and needs " +
               std::to_string(values * size_of(tensor.type)));
    if (reinterpret_cast<std::uintptr_t>(tensor.data) % size_of(tensor.type)) misfit(name + " is not aligned");
    if (!(std::isfinite(tensor.scale) && tensor.scale > 0)) misfit(name + " has the scale " + number(tensor.scale));
}

}  // namespace

void check_thresholds(const Thresholds &thresholds, const Spec &spec) {
    check_share("conf", static_cast<double>(thresholds.conf));
    check_share("iou", thresholds.iou);
    if (thresholds.max_det < 1)
        throw UsageError("max_det " + std::to_string(thresholds.max_det) + " leaves no detection.", "Give 1 or more.");
    for (int id : thresholds.classes)
        if (id < 0 || id >= spec.classes)
            throw UsageError("The model has no class " + std::to_string(id) + ".",
                             "Give ids from 0 to " + std::to_string(spec.classes - 1) + ".");
}

void check_fit(const Spec &spec, const std::vector<Tensor> &outputs) {
    const std::size_t wanted = spec.task == Task::segment ? 2 : 1;
    if (outputs.size() != wanted) misfit(std::to_string(outputs.size()) + " outputs, not " + std::to_string(wanted));
    for (std::size_t i = 0; i < outputs.size(); i++) check_tensor(outputs[i], static_cast<int>(i));
    int channels = spec.scores_end();
    if (spec.task == Task::pose) channels += spec.points * spec.values;
    if (spec.task == Task::obb) channels += 1;
    if (spec.task == Task::segment) {
        const Tensor &protos = outputs[1];
        if (protos.channels > MOST_MASKS) misfit(std::to_string(protos.channels) + " prototypes");
        channels += protos.channels;
        if (static_cast<long long>(protos.height) * spec.width != static_cast<long long>(protos.width) * spec.height)
            misfit("prototypes of another shape than the input");
    }
    if (outputs[0].channels != channels)
        misfit("output0 has " + std::to_string(outputs[0].channels) + " channels, not " + std::to_string(channels));
}

}  // namespace e2erknn
