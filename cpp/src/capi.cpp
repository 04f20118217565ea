// The C ABI: the same calls for whatever has no C++.
// AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.
#include <new>
#include <string>
#include <vector>

#include "e2erknn/e2erknn.h"
#include "e2erknn/e2erknn.hpp"
#include "numbers.hpp"

struct e2erknn_model {
    e2erknn::Model model;
    std::string spec;
    std::vector<e2erknn_tensor> outputs;
};

namespace {

using e2erknn::Detection;
using e2erknn::Thresholds;

thread_local std::string last_error;

// Runs a call and keeps what it threw as text. Returns the C result.
template <class F> int guarded(F &&call) {
    try {
        call();
        return 0;
    } catch (const e2erknn::UsageError &error) {
        last_error = error.problem() + "\n" + error.fix();
        return 2;
    } catch (const e2erknn::Error &error) {
        last_error = error.problem() + "\n" + error.fix();
    } catch (const std::bad_alloc &) {
        last_error = "There is not enough memory.\nClose other programs, or give a smaller input.";
    } catch (const std::exception &error) {
        last_error = std::string("This is a bug in e2erknn: ") + error.what() + ".\nReport it.";
    }
    return 1;
}

void require(bool given) {
    if (!given) throw e2erknn::UsageError("A pointer is null or a count negative.", "Give what e2erknn.h asks for.");
}

Thresholds thresholds_of(const e2erknn_thresholds *given) {
    Thresholds out;
    if (!given) return out;
    require(given->class_count >= 0 && (given->class_count == 0 || given->classes));
    out.conf = given->conf, out.iou = given->iou, out.max_det = given->max_det;
    out.classes.assign(given->classes, given->classes + given->class_count);
    return out;
}

// A result and all it points into.
struct Owned {
    e2erknn_result result{};
    std::vector<Detection> detections;
    std::vector<e2erknn_detection> rows;
    std::vector<float> keypoints;
};

e2erknn_result *result_of(std::vector<Detection> &&detections, int points, const e2erknn::Times &times) {
    auto owned = std::make_unique<Owned>();
    owned->detections = std::move(detections);
    owned->keypoints.reserve(owned->detections.size() * static_cast<std::size_t>(points) * 3);
    for (const Detection &d : owned->detections) {
        const float *at = points ? owned->keypoints.data() + owned->keypoints.size() : nullptr;
        for (const auto &point : d.keypoints)
            owned->keypoints.insert(owned->keypoints.end(), {point.x, point.y, point.visibility});
        owned->rows.push_back({d.x1,
                               d.y1,
                               d.x2,
                               d.y2,
                               d.score,
                               d.class_id,
                               d.anchor,
                               {d.obb.cx, d.obb.cy, d.obb.width, d.obb.height, d.obb.radians},
                               at,
                               {d.mask.left, d.mask.top, d.mask.width, d.mask.height, d.mask.inside.data()}});
    }
    owned->result = {
        static_cast<std::int32_t>(owned->rows.size()), points, owned->rows.data(), times.pre, times.infer, times.post};
    return &owned.release()->result;
}

e2erknn::Picture picture_of(const e2erknn_picture *given) {
    require(given && given->rgb && given->width > 0 && given->stride >= static_cast<std::size_t>(given->width) * 3);
    return {given->rgb, given->width, given->height, given->stride};
}

}  // namespace

e2erknn_thresholds e2erknn_defaults(void) {
    const Thresholds standard;
    return {standard.conf, standard.iou, standard.max_det, 0, nullptr};
}

int e2erknn_open(const char *path, int core, e2erknn_model **model) {
    return guarded([&] {
        require(path && model);
        *model = nullptr;
        auto opened = std::make_unique<e2erknn_model>(e2erknn_model{e2erknn::Model(path, core), "", {}});
        opened->spec = opened->model.json();
        for (const e2erknn::Tensor &t : opened->model.outputs())
            opened->outputs.push_back({t.data, t.bytes, static_cast<std::int32_t>(t.type), t.channels, t.height,
                                       t.width, t.block, t.scale, t.zero});
        *model = opened.release();
    });
}

void e2erknn_close(e2erknn_model *model) { delete model; }

const char *e2erknn_spec(const e2erknn_model *model) { return model ? model->spec.c_str() : ""; }

int e2erknn_detect(e2erknn_model *model, const e2erknn_picture *picture, const e2erknn_thresholds *thresholds,
                   e2erknn_result **result) {
    return guarded([&] {
        require(model && result);
        *result = nullptr;
        auto found = model->model.detect(picture_of(picture), thresholds_of(thresholds));
        *result = result_of(std::move(found), model->model.spec().points, model->model.times());
    });
}

e2erknn_input e2erknn_input_of(e2erknn_model *model) {
    if (!model) return {};
    const e2erknn::Input input = model->model.input();
    return {input.data, input.width, input.height, input.stride, input.fd};
}

int e2erknn_run(e2erknn_model *model) {
    return guarded([&] {
        require(model);
        model->model.run();
    });
}

const e2erknn_tensor *e2erknn_outputs(const e2erknn_model *model, int32_t *count) {
    if (count) *count = model ? static_cast<std::int32_t>(model->outputs.size()) : 0;
    return model ? model->outputs.data() : nullptr;
}

int e2erknn_read(const e2erknn_model *model, int32_t output, float *out) {
    return guarded([&] {
        require(model && out && output >= 0 && static_cast<std::size_t>(output) < model->outputs.size());
        const e2erknn::Tensor &tensor = model->model.outputs()[static_cast<std::size_t>(output)];
        e2erknn::with_type(tensor.type, [&](auto kind) {
            const e2erknn::View<decltype(kind)> view(tensor);
            const auto step = static_cast<std::size_t>(tensor.block);
            for (int c = 0; c < tensor.channels; c++) {
                const auto *at = view.channel(c);
                for (std::size_t cell = 0; cell < tensor.cells(); cell++)
                    *out++ = e2erknn::real(at[cell * step], tensor);
            }
        });
    });
}

int e2erknn_decode(const char *spec_json, const e2erknn_tensor *outputs, int32_t count, int32_t source_width,
                   int32_t source_height, const e2erknn_thresholds *thresholds, e2erknn_result **result) {
    return guarded([&] {
        require(spec_json && outputs && result && count > 0 && count < 16);
        *result = nullptr;
        const auto spec = e2erknn::Spec::parse(spec_json);
        std::vector<e2erknn::Tensor> tensors;
        for (int i = 0; i < count; i++) {
            const e2erknn_tensor &t = outputs[i];
            require(t.type >= E2ERKNN_FLOAT32 && t.type <= E2ERKNN_INT16);
            tensors.push_back({t.data, t.bytes, static_cast<e2erknn::Type>(t.type), t.channels, t.height, t.width,
                               t.block, t.scale, t.zero});
        }
        const auto letterbox = e2erknn::Letterbox::fit(source_width, source_height, spec.width, spec.height);
        *result = result_of(e2erknn::decode(spec, tensors, letterbox, thresholds_of(thresholds)), spec.points, {});
    });
}

void e2erknn_free(e2erknn_result *result) { delete reinterpret_cast<Owned *>(result); }

int e2erknn_letterbox(const e2erknn_picture *picture, int32_t width, int32_t height, uint8_t *out) {
    return guarded([&] {
        require(out);
        const auto given = picture_of(picture);
        const auto letterbox = e2erknn::Letterbox::fit(given.width, given.height, width, height);
        letterbox.apply(given.rgb, given.stride, out, static_cast<std::size_t>(width) * 3);
    });
}

const char *e2erknn_error(void) { return last_error.c_str(); }

const char *e2erknn_version(void) { return e2erknn::version(); }
