// A model on the NPU: opened, given pictures in its own input memory, read in place.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include <algorithm>
#include <chrono>
#include <cstring>

#include "context.hpp"
#include "fit.hpp"
#include "layout.hpp"
#include "modelfile.hpp"
#include "modelstate.hpp"
#include "text.hpp"

namespace e2erknn {
namespace {

double now() {
    using namespace std::chrono;
    return duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
}

std::string text_of(const char *text, std::size_t most) { return {text, strnlen(text, most)}; }

// Facts the .rknn had no room for, from the files beside it.
void complete(Spec &spec, const ModelFile &file) {
    if (spec.names.empty() && static_cast<int>(file.labels.size()) == spec.classes) spec.names = file.labels;
    if (!spec.skeleton.empty()) return;
    for (const auto &[a, b] : file.skeleton)
        if (a >= 0 && b >= 0 && a < spec.points && b < spec.points) spec.skeleton.emplace_back(a, b);
}

}  // namespace

// Sets up the memory of a context: the input as bytes of RGB, the outputs as the NPU writes them.
void Model::State::prepare(int core) {
    if (core != any_core) context->use_core(core);
    const auto number = context->query<abi::InOutNumber>(abi::IN_OUT_NUMBER);
    const std::uint32_t wanted = spec.task == Task::segment ? 2 : 1;
    if (number.inputs != 1 || number.outputs != wanted)
        throw Error(context->path() + " has " + std::to_string(number.inputs) + " inputs and " +
                        std::to_string(number.outputs) + " outputs, not 1 and " + std::to_string(wanted) + ".",
                    "Use one made by: e2erknn convert");
    abi::Attribute attribute = context->attribute(abi::NATIVE_INPUT_ATTRIBUTE, 0);
    if (attribute.format != abi::NHWC) attribute = context->attribute(abi::INPUT_ATTRIBUTE, 0);
    attribute.type = abi::UINT8;
    attribute.format = abi::NHWC;
    attribute.pass_through = 0;
    const std::uint32_t columns = std::max(attribute.w_stride, static_cast<std::uint32_t>(spec.width));
    const std::uint32_t bytes = columns * static_cast<std::uint32_t>(spec.height) * 3;
    input_memory = context->share(attribute, std::max(attribute.size_with_stride, bytes));
    input = {static_cast<std::uint8_t *>(input_memory->address), spec.width, spec.height,
             static_cast<std::size_t>(columns) * 3, input_memory->fd};
    for (std::uint32_t i = 0; i < number.outputs; i++) {
        const abi::Attribute native = context->attribute(abi::NATIVE_OUTPUT_ATTRIBUTE, i);
        Tensor tensor = tensor_of(spec, context->attribute(abi::OUTPUT_ATTRIBUTE, i), native);
        output_memory.push_back(context->share(native, static_cast<std::uint32_t>(tensor.bytes)));
        tensor.data = output_memory.back()->address;
        outputs.push_back(tensor);
    }
    check_fit(spec, outputs);
}

Model::Model(const std::string &path, int core) : state_(std::make_unique<State>()) {
    if (core < any_core || core > 2)
        throw UsageError("There is no core " + std::to_string(core) + ".",
                         "Give 0, 1 or 2, or leave it to the driver.");
    ModelFile file = check_model_file(path);
    State &s = *state_;
    s.context = std::make_unique<Context>(path);
    const auto custom = s.context->query<abi::CustomString>(abi::CUSTOM_STRING);
    s.json = text_of(custom.text, sizeof custom.text);
    s.spec = Spec::parse(s.json);
    complete(s.spec, file);
    s.name = std::move(file.name);
    s.note = std::move(file.note);
    const auto version = s.context->query<abi::SdkVersion>(abi::SDK_VERSION);
    s.runtime = printable("librknnrt " + text_of(version.api, sizeof version.api) + ", driver " +
                          text_of(version.driver, sizeof version.driver));
    s.prepare(core);
}

Model::Model(std::unique_ptr<State> state) : state_(std::move(state)) {}
Model::~Model() = default;
Model::Model(Model &&) noexcept = default;
Model &Model::operator=(Model &&) noexcept = default;

Model Model::clone(int core) const {
    auto s = std::make_unique<State>();
    s->context = std::make_unique<Context>(*state_->context);
    s->json = state_->json, s->spec = state_->spec, s->name = state_->name, s->runtime = state_->runtime;
    s->prepare(core);
    return Model(std::move(s));
}

const Spec &Model::spec() const { return state_->spec; }
const std::string &Model::json() const { return state_->json; }
const std::string &Model::name() const { return state_->name; }
const std::string &Model::note() const { return state_->note; }
const std::string &Model::runtime() const { return state_->runtime; }
const std::vector<Tensor> &Model::outputs() const { return state_->outputs; }
Times Model::times() const { return state_->times; }
Input Model::input() { return state_->input; }

void Model::run() {
    State &s = *state_;
    const double start = now();
    s.context->sync(s.input_memory, abi::SYNC_TO_DEVICE);
    s.context->run();
    for (abi::Memory *memory : s.output_memory) s.context->sync(memory, abi::SYNC_FROM_DEVICE);
    s.times.infer = now() - start;
}

std::vector<Detection> Model::decode(const Letterbox &letterbox, const Thresholds &thresholds) {
    const double start = now();
    auto found = e2erknn::decode(state_->spec, state_->outputs, letterbox, thresholds);
    state_->times.post = now() - start;
    return found;
}

std::vector<Detection> Model::detect(const Picture &picture, const Thresholds &thresholds) {
    check_thresholds(thresholds, spec());
    const double start = now();
    const Letterbox letterbox = Letterbox::fit(picture.width, picture.height, spec().width, spec().height);
    letterbox.apply(picture.rgb, picture.stride, state_->input.data, state_->input.stride);
    state_->times.pre = now() - start;
    run();
    return decode(letterbox, thresholds);
}

}  // namespace e2erknn
