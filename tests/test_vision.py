"""Geometry and post-processing equal their Ultralytics and torchvision counterparts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from ultralytics.data.augment import LetterBox
from ultralytics.utils import ops
from ultralytics.utils.metrics import batch_probiou
from ultralytics.utils.nms import TorchNMS

from rknn_zoo_e2e.vision.letterbox import PAD_VALUE, Letterbox
from rknn_zoo_e2e.vision.masks import instance_masks
from rknn_zoo_e2e.vision.nms import MAX_PAIRS, nms, probiou, rotated_nms
from rknn_zoo_e2e.vision.rotated import corners, regularize

SIZES = [(480, 640), (1080, 810), (33, 1000), (1, 1), (640, 640), (701, 333)]


@pytest.mark.parametrize("imgsz", [(640, 640), (480, 640)])
@pytest.mark.parametrize("size", SIZES)
def test_letterbox_equals_ultralytics(size, imgsz):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    expected = LetterBox(imgsz, auto=False, scaleup=True)(image=image)
    letterbox = Letterbox.of(image, imgsz)
    np.testing.assert_array_equal(letterbox.apply(image), expected)
    boxes = np.random.default_rng(1).uniform(0, min(imgsz), (20, 2, 2)).astype(np.float32)
    boxes = np.concatenate([boxes.min(1), boxes.max(1)], 1)
    scaled = ops.scale_boxes(imgsz, torch.from_numpy(boxes.copy()), size).numpy()
    np.testing.assert_allclose(letterbox.boxes(boxes), scaled, atol=1e-3)


sides = st.one_of(st.integers(1, 40), st.integers(1, 32_767))


@settings(max_examples=300, deadline=None)
@given(sides, sides, st.sampled_from([(32, 32), (64, 96), (480, 640), (640, 640), (32, 1024)]))
def test_a_letterbox_is_never_empty_and_goes_back(height, width, imgsz):
    """The corners of what the picture fills are the picture's corners, and nothing lies beyond the input."""
    box = Letterbox.fit((height, width), imgsz)
    assert 1 <= box.inner[0] <= imgsz[0] and 1 <= box.inner[1] <= imgsz[1] and box.inner != (0, 0)
    assert 0 <= box.top <= imgsz[0] - box.inner[0] and 0 <= box.left <= imgsz[1] - box.inner[1]
    assert box.inner[0] == imgsz[0] or box.inner[1] == imgsz[1]
    filled = np.array([[box.left, box.top, box.left + box.inner[1], box.top + box.inner[0]]], np.float32)
    np.testing.assert_allclose(box.boxes(filled), [[0, 0, width, height]], rtol=1e-6)
    np.testing.assert_allclose(box.points(filled.reshape(2, 2)), [[0, 0], [width, height]], rtol=1e-6)
    everywhere = box.boxes(np.array([[-1e9, -1e9, 1e9, 1e9]], np.float32))
    np.testing.assert_array_equal(everywhere, [[0, 0, width, height]])


@pytest.mark.parametrize("size", [(1, 16000), (16000, 1), (1, 32767), (32767, 1), (2, 1), (3000, 40)])
def test_extreme_pictures_are_in_the_letterbox(size):
    image = np.full((*size, 3), 255, np.uint8)
    box = Letterbox.of(image, (64, 96))
    out = box.apply(image)
    assert out.shape == (64, 96, 3) and out.dtype == np.uint8
    white = (out == 255).all(2)
    assert white.sum() == box.inner[0] * box.inner[1] and (out[~white] == PAD_VALUE).all()


def random_boxes(seed: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    centre, size = rng.uniform(0, 300, (count, 2)), rng.uniform(10, 150, (count, 2))
    boxes = np.concatenate([centre - size / 2, centre + size / 2], 1).astype(np.float32)
    return boxes, rng.uniform(size=count).astype(np.float32), rng.integers(0, 3, count)


@pytest.mark.parametrize("many", [0, MAX_PAIRS])
@pytest.mark.parametrize("count", [0, 1, 150, 300, 2000])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7, 1.0])
def test_nms_equals_torchvision(count, threshold, many, monkeypatch):
    """One pair after the other and all at once, for few boxes, for many, and where there are too many pairs."""
    monkeypatch.setattr("rknn_zoo_e2e.vision.nms.MAX_PAIRS", many)
    boxes, scores, ids = random_boxes(count, count)
    scores = scores.round(2).clip(0.01)  # ties
    apart = boxes + ids[:, None].astype(np.float32) * 7680
    expected = torchvision.ops.nms(torch.from_numpy(apart), torch.from_numpy(scores), threshold)
    np.testing.assert_array_equal(nms(boxes.T, scores, ids, threshold), expected.numpy())


@pytest.mark.parametrize("count", [0, 1, 120, 700])
@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.4, 0.9])
def test_rotated_nms_equals_ultralytics(count, threshold):
    """Also where it skips pairs as too far apart to overlap, and stops once it has as many as it may."""
    boxes, scores, ids = random_boxes(count, count)
    size = boxes[:, 2:] - boxes[:, :2]
    angle = np.random.default_rng(count).uniform(-0.7, 2.3, (count, 1))
    obb = np.concatenate([boxes[:, :2] + size / 2, size, angle], 1).astype(np.float32)
    if count:
        rows = np.stack([probiou(box[:, None], obb.T) for box in obb])
        np.testing.assert_allclose(rows, batch_probiou(obb, obb).numpy(), atol=2e-4)
    apart = obb.copy()
    apart[:, :2] += ids[:, None] * 7680
    arguments = torch.from_numpy(apart), torch.from_numpy(scores), threshold
    expected = TorchNMS.fast_nms(*arguments, iou_func=batch_probiou).numpy()
    np.testing.assert_array_equal(rotated_nms(obb.T, scores, ids, threshold, count), expected)
    np.testing.assert_array_equal(rotated_nms(obb.T, scores, ids, threshold, 7), expected[:7])


def test_rotated_geometry_equals_ultralytics():
    rng = np.random.default_rng(0)
    obb = np.concatenate([rng.uniform(10, 300, (50, 4)), rng.uniform(-3, 3, (50, 1))], 1).astype(np.float32)
    np.testing.assert_allclose(regularize(obb), ops.regularize_rboxes(torch.from_numpy(obb)).numpy(), atol=1e-5)
    np.testing.assert_allclose(corners(obb), ops.xywhr2xyxyxyxy(obb), atol=1e-3)


@pytest.mark.parametrize("size", [(480, 640), (1080, 810), (100, 333)])
def test_masks_equal_ultralytics(size):
    """Against process_mask_native; its border pixels differ by the resize's rounding, hence IoU."""
    rng = np.random.default_rng(0)
    small = rng.normal(size=(8, 20, 20)).astype(np.float32)
    protos = torch.nn.functional.interpolate(torch.from_numpy(small)[None], (160, 160), mode="bicubic")[0].numpy()
    weights = rng.normal(size=(6, 8)).astype(np.float32)
    letterbox = Letterbox.fit(size, (640, 640))
    centre, extent = rng.uniform(0.3, 0.7, (6, 2)), rng.uniform(0.1, 0.5, (6, 2))
    boxes = np.concatenate([centre - extent / 2, centre + extent / 2], 1) * np.array([size[1], size[0]] * 2)
    boxes = boxes.astype(np.float32).clip(0)
    args = (torch.from_numpy(a) for a in (protos, weights, boxes.copy()))
    expected = ops.process_mask_native(*args, size).numpy().astype(bool)
    for mask, want in zip(instance_masks(protos, weights, boxes, letterbox), expected, strict=True):
        full = mask.full(*size)
        assert (full & want).sum() / max((full | want).sum(), 1) > 0.97
        for polygon in mask.polygons():
            assert polygon.min() >= 0 and (polygon <= (size[1], size[0])).all()
