"""How near the C++ decode must come to Python's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from native import Found

from rknn_zoo_e2e.tasks.base import Thresholds
from rknn_zoo_e2e.tasks.registry import task_of
from rknn_zoo_e2e.tasks.result import Result
from rknn_zoo_e2e.vision.letterbox import Letterbox
from rknn_zoo_e2e.vision.tensors import Raw, real

COORDINATES = {"obb": 1e-3}  # px; others 2e-4
SCORES = 1e-6  # and visibilities
LOGITS = 1e-5  # of masks: the order of a sum is left open, so nearer to 0 either side may be right


def agree(found: Found, outputs: Sequence[Raw], letterbox: Letterbox, wanted: Result, thresholds: Thresholds) -> None:
    """Same set and order; coordinates and scores to what float32 leaves open, masks to the pixel where it leaves none.

    Args:
        found: by the C++ decode.
        outputs, letterbox, thresholds: what Python decoded too.
        wanted: what it found.
    """
    assert found.class_ids.tolist() == wanted.class_ids.tolist()
    near = {"atol": COORDINATES.get(wanted.spec.task, 2e-4), "rtol": 0}
    np.testing.assert_allclose(found.scores, wanted.scores, atol=SCORES, rtol=0)
    np.testing.assert_allclose(found.boxes, wanted.boxes, **near)
    if wanted.keypoints is not None:
        ours, theirs = found.keypoints.reshape(-1, 3), wanted.keypoints.reshape(-1, wanted.keypoints.shape[2])
        np.testing.assert_allclose(ours[:, :2], theirs[:, :2], **near)
        np.testing.assert_allclose(ours[:, 2 : theirs.shape[1]], theirs[:, 2:], atol=SCORES, rtol=0)
    if wanted.obb is not None:
        np.testing.assert_allclose(found.obb, wanted.obb, **near)
    differ = []
    for (left, top, crop), mask in zip(found.masks, wanted.masks or [], strict=True):
        assert (left, top, crop.shape) == (mask.left, mask.top, mask.crop.shape)
        differ.append(crop != mask.crop)
    if any(d.any() for d in differ):
        either = undecided(outputs, letterbox, wanted, thresholds)
        assert not any((d & ~e).any() for d, e in zip(differ, either, strict=True))


def undecided(outputs: Sequence[Raw], letterbox: Letterbox, wanted: Result, thresholds: Thresholds) -> list[np.ndarray]:
    """Of each mask the pixels on its very edge: in Python too they change sides where one more prototype, of ones,
    moves all logits by LOGITS."""
    spec = replace(wanted.spec, masks=wanted.spec.masks + 1)
    boxes, protos = (real(output) for output in outputs)
    protos = np.concatenate([protos, np.ones_like(protos[:, :1])], 1)
    below, above = (
        task_of(spec).decode(
            [np.concatenate([boxes, np.full_like(boxes[:, :1], move)], 1), protos], letterbox, thresholds
        )
        for move in (-LOGITS, LOGITS)
    )
    return [b.crop != a.crop for b, a in zip(below.masks or [], above.masks or [], strict=True)]


def overlap(found: Found, wanted: Result) -> float:
    """The smallest intersection over union of a mask of ours and Python's; 1 without masks."""
    pairs = [(crop, mask.crop) for (_, _, crop), mask in zip(found.masks, wanted.masks or [], strict=True)]
    return min(((a & b).sum() / (a | b).sum() for a, b in pairs if (a | b).any()), default=1.0)
