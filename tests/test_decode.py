"""Decoding equals Ultralytics' post-processing on the same tensors, and takes outputs as the NPU keeps them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ultralytics.utils import ops
from ultralytics.utils.nms import non_max_suppression

from rknn_zoo_e2e.tasks.base import Task, Thresholds
from rknn_zoo_e2e.tasks.registry import TASKS, task_of
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.vision import tensors
from rknn_zoo_e2e.vision.letterbox import Letterbox
from rknn_zoo_e2e.vision.tensors import Quantized

IMGSZ, SOURCE = (320, 416), (500, 700)
ANCHORS = 320 * 416 // 64 * 21 // 16


def model(task: str, classes: int = 5, nms_free: bool = False) -> Task:
    kpt_shape = (4, 3) if task == "pose" else None
    names = tuple(f"c{i}" for i in range(classes))
    return task_of(ModelSpec("made", task, names, IMGSZ, 32, kpt_shape, (), 8 if task == "segment" else 0, nms_free))


def outputs_of(task: Task, seed: int) -> list[np.ndarray]:
    """Objects as a model gives them, each at some neighbouring anchors; of 1/256, so that INT8 and fp16 hold them."""
    rng = np.random.default_rng(seed)
    out = np.zeros((1, len(task.scale), ANCHORS), np.float32)
    out[0, :4] = rng.uniform(0.1, 0.9, (4, ANCHORS))
    out[0, 4 : task.extra_from] = rng.uniform(0, 0.1, (task.extra_from - 4, ANCHORS))
    for _ in range(40):
        anchors = rng.integers(0, ANCHORS - 8) + np.arange(8)
        box = np.concatenate([rng.uniform(0.1, 0.9, 2), rng.uniform(0.03, 0.3, 2)])
        out[0, :4, anchors] = box + rng.normal(0, 0.02, (8, 4)) * box[[2, 3, 2, 3]]
        out[0, 4 + rng.integers(task.extra_from - 4), anchors] = rng.uniform(0.2, 0.95, 8)
    out[0, task.extra_from :] = rng.uniform(0, 1, (len(task.scale) - task.extra_from, ANCHORS))
    protos = [rng.normal(size=(1, 8, 80, 104)).astype(np.float32)] if task.name == "segment" else []
    return [(o * 256).round().clip(-128 * 4, 255) / np.float32(256) for o in (out, *protos)]


@pytest.mark.parametrize("conf", [0.25, 0.001])
@pytest.mark.parametrize("classes", [None, (1, 3)])
@pytest.mark.parametrize("one_thread", [False, True])
@pytest.mark.parametrize("name", TASKS)
def test_decode_equals_ultralytics(name, one_thread, classes, conf):
    task, letterbox = model(name), Letterbox.fit(SOURCE, IMGSZ)
    task.one_thread = one_thread
    limits = Thresholds(conf, 0.6, 50, classes)
    outputs = outputs_of(task, 3)
    rng = np.random.default_rng(0)
    outputs[0][0, 4 : task.extra_from] += rng.uniform(0, 1e-5, (task.extra_from - 4, ANCHORS)).astype(np.float32)
    result = task.decode(outputs, letterbox, limits)
    found = non_max_suppression(
        torch.from_numpy(outputs[0] * task.scale),
        conf,
        0.6,
        classes=list(classes) if classes else None,
        max_det=50,
        nc=5,
        rotated=name == "obb",
    )[0]
    assert len(result) == len(found) > 10
    np.testing.assert_array_equal(result.scores, found[:, 4])
    np.testing.assert_array_equal(result.class_ids, found[:, 5])
    if name == "obb":
        obb = torch.cat([found[:, :4], found[:, -1:]], 1)
        obb[:, :4] = ops.scale_boxes(IMGSZ, obb[:, :4], SOURCE, xywh=True)
        np.testing.assert_allclose(result.obb, ops.regularize_rboxes(obb), atol=0.01)
        return
    np.testing.assert_allclose(result.boxes, ops.scale_boxes(IMGSZ, found[:, :4].clone(), SOURCE), atol=0.01)
    if name == "pose":
        points = ops.scale_coords(IMGSZ, found[:, 6:].view(-1, 4, 3), SOURCE)
        np.testing.assert_allclose(result.keypoints, points, atol=0.01)
    if name == "segment":
        boxes = torch.from_numpy(result.boxes)
        masks = ops.process_mask_native(torch.from_numpy(outputs[1][0]), found[:, 6:], boxes, SOURCE).numpy() > 0
        same = [(mask.full(*SOURCE) == other).mean() for mask, other in zip(result.masks, masks, strict=True)]
        assert min(same) > 0.99


def same(a, b, task: Task) -> None:
    np.testing.assert_array_equal(a.class_ids, b.class_ids)
    np.testing.assert_allclose(a.scores, b.scores, atol=1e-6)
    np.testing.assert_allclose(a.boxes, b.boxes, atol=1e-3)
    for mask, other in zip(a.masks or [], b.masks or [], strict=True):
        np.testing.assert_array_equal(mask.crop, other.crop)


@pytest.mark.parametrize("nms_free", [False, True])
@pytest.mark.parametrize("name", TASKS)
def test_raw_outputs_decode_as_float_ones(name, nms_free):
    task, letterbox = model(name, nms_free=nms_free), Letterbox.fit(SOURCE, IMGSZ)
    outputs = outputs_of(task, 1)
    expected = task.decode(outputs, letterbox, Thresholds())
    assert len(expected) > 10
    same(task.decode([o.astype(np.float16) for o in outputs], letterbox, Thresholds()), expected, task)
    first = Quantized((outputs[0] * 256 - 128).astype(np.int8), 1 / 256, -128)
    same(task.decode([first, *outputs[1:]], letterbox, Thresholds()), expected, task)


def test_an_nms_free_head_keeps_overlaps_and_several_classes_an_anchor():
    task, letterbox = model("detect", nms_free=True), Letterbox.fit(IMGSZ, IMGSZ)
    out = np.zeros((1, 9, ANCHORS), np.float32)
    out[0, :4, :2] = 0.5
    out[0, 4, :2], out[0, 6, 0], out[0, 5, 1] = (0.9, 0.8), 0.7, 0.2
    result = task.decode([out], letterbox, Thresholds())
    np.testing.assert_allclose(result.scores, [0.9, 0.8, 0.7])
    np.testing.assert_array_equal(result.class_ids, [0, 0, 2])
    assert len(task.decode([out], letterbox, Thresholds(max_det=2))) == 2


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("one_thread", [False, True])
@pytest.mark.parametrize("name", TASKS)
def test_what_is_no_number_is_never_passed_over(name, one_thread, dtype, value):
    """In any score, and in any channel of a detection or its mask; elsewhere nobody looks."""
    task, letterbox = model(name), Letterbox.fit(SOURCE, IMGSZ)
    task.one_thread = one_thread
    good = [o.astype(dtype) for o in outputs_of(task, 2)]
    best = int(good[0][0, 4 : task.extra_from].max(0).argmax())
    places = [(4, 5), (task.extra_from - 1, ANCHORS - 1), (0, best), (len(task.scale) - 1, best)]
    for channel, anchor in places:
        for sign in (1, -1) if np.isnan(value) else (1,):
            outputs = [o.copy() for o in good]
            outputs[0][0, channel, anchor] = np.copysign(value, sign)
            with pytest.raises(FloatingPointError):
                task.decode(outputs, letterbox, Thresholds())
    if name == "segment":
        good[1][:] = value
        with pytest.raises(FloatingPointError):
            task.decode(good, letterbox, Thresholds())


@pytest.mark.parametrize("one_thread", [False, True])
def test_the_bound_of_the_scores_bounds_them(one_thread):
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float16):
        scores = rng.uniform(0, 1, (80, 999)).astype(dtype)
        assert (tensors.ceiling(scores, 0, 80, one_thread) >= scores.max(0)).all()
    logits = rng.normal(-3, 1, (80, 999)).astype(np.float32)
    assert (tensors.ceiling(logits, 0, 80, one_thread) == logits.max(0)).all(), (
        "their sums say that they are no sigmoids"
    )
