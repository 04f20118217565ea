"""The C++ decode finds what Python's finds in the same tensors: the same set, in the same order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from agreement import agree
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from native import Found, Library, NativeError, as_npu, essentials, stored

from rknn_zoo_e2e.tasks.base import Thresholds
from rknn_zoo_e2e.tasks.registry import task_of
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.vision.letterbox import Letterbox
from rknn_zoo_e2e.vision.tensors import Raw

KINDS = ("float32", "float16", "int16", "int8", "uint8")
BLOCKS = (1, 4, 8, 16)
SCALES = {"int16": (1 / 8000, -100), "int8": (1 / 90, -40), "uint8": (1 / 150, 60)}


def both(native: Library, spec: ModelSpec, outputs: list[Raw], block: int, source, thresholds: Thresholds) -> None:
    task = task_of(spec)
    task.check(outputs)
    letterbox = Letterbox.fit(source, spec.imgsz)
    wanted = task.decode(outputs, letterbox, thresholds)
    tensors = [as_npu(output, block) for output in outputs]
    found = native.decode(essentials(spec), [t for t, _ in tensors], source, thresholds)
    agree(found, outputs, letterbox, wanted, thresholds)


def decode(native: Library, spec: ModelSpec, outputs: list[Raw], block: int) -> Found:
    tensors = [as_npu(output, block) for output in outputs]  # arrays held until the call is over
    return native.decode(essentials(spec), [t for t, _ in tensors], (50, 60))


def make(task: str, classes: int, imgsz=(96, 160), points=(3, 3), masks=5, nms_free=False) -> ModelSpec:
    names = tuple(f"class {i}" for i in range(classes))
    return ModelSpec(
        "any", task, names, imgsz, kpt_shape=points if task == "pose" else None,
        masks=masks if task == "segment" else 0, nms_free=nms_free,
    )  # fmt: skip


def outputs_of(spec: ModelSpec, rng: np.random.Generator, kind: str, clusters: int) -> list[Raw]:
    """Boxes in clusters, so that there is much to suppress; every value one that the types hold."""
    height, width = spec.imgsz[0] // 8, spec.imgsz[1] // 8
    channels, cells = task_of(spec).outputs[0].count, height * width
    real = np.zeros((channels, cells), np.float32)
    centres = rng.uniform(-0.05, 1.05, (2, clusters))[:, rng.integers(0, clusters, cells)]
    real[:2] = centres + rng.normal(0, 0.02, (2, cells))
    real[2:4] = rng.uniform(0.05, 0.5, (2, 1)) * rng.uniform(0.7, 1.4, (2, cells))
    score = rng.random((len(spec.names), cells)) ** 6
    real[4 : 4 + len(spec.names)] = score
    extra = real[4 + len(spec.names) :]
    extra[:] = rng.uniform(-0.8, 1.2, extra.shape)
    scale, zero = SCALES.get(kind, (1.0, 0))
    shape = (1, channels, height, width) if rng.random() < 0.5 else (1, channels, cells)
    outputs = [stored(real.reshape(shape), kind, scale, zero)]
    if spec.masks:
        protos = rng.normal(0, 0.5, (1, spec.masks, spec.imgsz[0] // 4, spec.imgsz[1] // 4))
        outputs.append(stored(protos.astype(np.float32), kind, scale, zero))
    return outputs


@given(
    task=st.sampled_from(["detect", "pose", "segment", "obb"]),
    kind=st.sampled_from(KINDS),
    block=st.sampled_from(BLOCKS),
    classes=st.sampled_from([1, 2, 3, 4, 5, 11, 12, 80, 200]),
    points=st.tuples(st.integers(1, 20), st.sampled_from([2, 3])),
    masks=st.sampled_from([1, 5, 8, 32]),
    nms_free=st.booleans(),
    seed=st.integers(0, 2**31),
    clusters=st.integers(1, 12),
    conf=st.sampled_from([0.0, 0.01, 0.25, 0.9, 1.0]),
    iou=st.sampled_from([0.0, 0.3, 0.7, 1.0]),
    max_det=st.sampled_from([1, 7, 300]),
    source=st.tuples(st.integers(1, 700), st.integers(1, 700)),
    some=st.booleans(),
)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_outputs(
    native, task, kind, block, classes, points, masks, nms_free, seed, clusters, conf, iou, max_det, source, some
):
    spec = make(task, classes, points=points, masks=masks, nms_free=nms_free)
    outputs = outputs_of(spec, np.random.default_rng(seed), kind, clusters)
    thresholds = Thresholds(conf, iou, max_det, tuple(range(0, classes, 2)) if some else None)
    both(native, spec, outputs, block, source, thresholds)


@pytest.mark.parametrize("task", ["detect", "pose", "segment", "obb"])
def test_more_candidates_than_suppression_takes(native, task):
    spec = make(task, 3, imgsz=(1536, 1536), masks=4)
    outputs = outputs_of(spec, np.random.default_rng(1), "float16", 40)
    both(native, spec, outputs, 8, (500, 400), Thresholds(conf=0.0, max_det=50))


def test_as_many_classes_and_points_as_python_takes(native):
    for spec in (make("detect", 20_000, (32, 32)), make("pose", 1, (32, 32), (1000, 3))):
        both(native, spec, outputs_of(spec, np.random.default_rng(2), "int8", 2), 16, (50, 60), Thresholds())


@pytest.mark.parametrize("kind", ["float32", "float16"])
def test_boxes_in_px_as_made_for_frigate(native, kind):
    spec = replace(make("detect", 5), contract="frigate")
    outputs = outputs_of(spec, np.random.default_rng(8), "float32", 6)
    outputs[0].reshape(9, -1)[:4] *= np.array([spec.imgsz[1], spec.imgsz[0]] * 2)[:, None]
    both(native, spec, [outputs[0].astype(kind)], 1, (500, 400), Thresholds())


def test_what_is_made_for_rknn_model_zoo_is_refused_by_name(native):
    spec = make("detect", 5)
    tensor, _held = as_npu(outputs_of(spec, np.random.default_rng(6), "float32", 3)[0], 1)
    with pytest.raises(NativeError, match="was built for model-zoo") as error:
        native.decode(essentials(replace(spec, contract="model-zoo"), "levels"), [tensor], (50, 60))
    assert "without --for" in error.value.fix


BAD = {
    "nan": (np.nan, "not finite"),
    "infinite": (np.inf, "not finite"),
    "above 1": (1.5, "above 1"),
}


@pytest.mark.parametrize("kind", ["float32", "float16"])
@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("negative", [False, True], ids=["", "beside a negative score"])
@pytest.mark.parametrize("value, what", BAD.values(), ids=BAD)
def test_a_score_that_means_nothing_is_refused_as_in_python(native, kind, block, negative, value, what):
    spec = make("detect", 5)
    outputs = outputs_of(spec, np.random.default_rng(3), kind, 3)
    flat = outputs[0].reshape(9, -1)
    flat[6, 77] = value
    flat[7, 77] = -0.5 if negative else 0
    with pytest.raises(FloatingPointError, match=what):
        task_of(spec).decode(outputs, Letterbox.fit((50, 60), spec.imgsz), Thresholds())
    with pytest.raises(NativeError, match=what):
        decode(native, spec, outputs, block)


@pytest.mark.parametrize(
    "task, channel, value, what",
    [
        ("detect", 0, 2000, "far from"), ("detect", 3, np.nan, "not finite"), ("obb", 9, np.inf, "not finite"),
        ("pose", 10, np.nan, "not finite"), ("segment", 11, np.inf, "not finite"),
    ],
)  # fmt: skip
def test_a_place_that_means_nothing_is_refused_as_in_python(native, task, channel, value, what):
    spec = make(task, 5)
    outputs = outputs_of(spec, np.random.default_rng(4), "float32", 3)
    flat = outputs[0].reshape(outputs[0].shape[1], -1)
    flat[4, 33], flat[channel, 33] = 1, value
    with pytest.raises(FloatingPointError, match=what):
        task_of(spec).decode(outputs, Letterbox.fit((50, 60), spec.imgsz), Thresholds())
    with pytest.raises(NativeError, match=what) as error:
        decode(native, spec, outputs, 8)
    assert error.value.code == 1 and error.value.fix


def test_below_the_threshold_nothing_but_the_scores_is_looked_at(native):
    spec = make("pose", 2)
    outputs = outputs_of(spec, np.random.default_rng(5), "float32", 3)
    flat = outputs[0].reshape(outputs[0].shape[1], -1)
    below = flat[4:6].max(0) < 0.25
    flat[:4, below], flat[6:, below] = np.nan, np.inf
    both(native, spec, outputs, 4, (50, 60), Thresholds())


SHAPE = {
    "a channel too few": {"channels": 8}, "no cells": {"width": 0}, "too few bytes": {"bytes": 100},
    "a scale of 0": {"scale": 0.0}, "a huge shape": {"height": 2**30, "width": 2**30}, "no block": {"block": 0},
    "no data": {"data": None},
}  # fmt: skip


@pytest.mark.parametrize("change", SHAPE.values(), ids=SHAPE)
def test_an_output_of_another_model_is_refused(native, change):
    spec = make("detect", 5)
    tensor, _held = as_npu(outputs_of(spec, np.random.default_rng(6), "int8", 3)[0], 8)
    for name, value in change.items():
        setattr(tensor, name, value)
    with pytest.raises(NativeError, match="does not fit the model") as error:
        native.decode(essentials(spec), [tensor], (50, 60))
    assert error.value.code == 1


SPECS = {
    "no JSON": "{", "no task": "{}", "an unknown task": '{"task":"classify"}', "something after": "{} {}",
    "a name twice": '{"task":"detect","task":"pose"}', "no number": '{"task":"detect","imgsz":[01,1]}',
    "deep": "[" * 10_000, "half a character": '{"task":"\\ud800"}',
}  # fmt: skip


@pytest.mark.parametrize("text", SPECS.values(), ids=SPECS)
def test_a_spec_that_is_none_is_refused(native, text):
    tensor, _held = as_npu(np.zeros((1, 9, 10), np.float32), 1)
    with pytest.raises(NativeError, match="does not say what it is"):
        native.decode(text, [tensor], (50, 60))


@pytest.mark.parametrize(
    "field, value", [("conf", 2.0), ("conf", float("nan")), ("iou", -0.1), ("max_det", 0), ("classes", (5,))]
)
def test_thresholds_that_mean_nothing_are_wrong_use(native, field, value):
    thresholds = Thresholds()
    object.__setattr__(thresholds, field, value)
    tensor, _held = as_npu(np.zeros((1, 9, 240), np.float32), 1)
    with pytest.raises(NativeError) as error:
        native.decode(essentials(make("detect", 5)), [tensor], (50, 60), thresholds)
    assert error.value.code == 2
