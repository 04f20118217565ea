"""Parity says the same of the same outputs, however large the pictures were."""

from __future__ import annotations

import numpy as np
import pytest

from rknn_zoo_e2e.conversion.verify import Parity
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.vision.letterbox import Letterbox

SIDE = 320


def outputs(task: str, off: float) -> tuple[ModelSpec, list[np.ndarray]]:
    """Four sure detections; ``off``: how far they are moved, input px (of pose their key points alone)."""
    extra = {"detect": 0, "pose": 9, "obb": 1}[task]
    spec = ModelSpec("m", task, ("a",), (SIDE, SIDE), kpt_shape=(3, 3) if task == "pose" else None)
    out = np.zeros((1, 5 + extra, 2100), np.float32)
    for index, (x, y) in enumerate([(80, 80), (240, 80), (80, 240), (240, 240)]):
        channels = out[0, :, 100 + index]
        moved = 0 if task == "pose" else off
        channels[:5] = (x + moved) / SIDE, y / SIDE, 100 / SIDE, 60 / SIDE, 0.9
        if task == "pose":
            points = channels[5:].reshape(3, 3)
            points[:] = [[(x + off + d) / SIDE, (y + d) / SIDE, 0.9] for d in (-20, 0, 20)]
    return spec, [out]


def report(task: str, off: float, source: tuple[int, int]) -> dict:
    (spec, reference), (_, actual) = outputs(task, 0), outputs(task, off)
    parity = Parity(spec)
    parity.add(reference, actual, Letterbox.fit(source, (SIDE, SIDE)))
    return parity.report()


@pytest.mark.parametrize("task", ["detect", "pose", "obb"])
@pytest.mark.parametrize("source", [(8160, 8160), (6120, 8160), (320, 320), (48, 64), (20, 20)])
def test_the_size_of_the_pictures_does_not_count(task, source):
    ours, same = report(task, 3.0, source), report(task, 3.0, (SIDE, SIDE))
    assert ours.keys() == same.keys() and ours["recall"] == 1
    for key in ours.keys() - {"cosine", "passed", "pictures"}:
        assert ours[key] == pytest.approx(same[key], abs=0.01), key
    assert ours["passed"] == same["passed"]


@pytest.mark.parametrize(("off", "passed"), [(0, True), (7.9, True), (8.1, False)])
@pytest.mark.parametrize("source", [(6120, 8160), (320, 320), (48, 64)])
def test_key_points_are_as_far_apart_as_in_the_input(off, passed, source):
    found = report("pose", off, source)
    assert found["keypoint_px"] == pytest.approx(off, abs=0.02) and found["passed"] == passed
