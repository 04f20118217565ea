"""Rotated boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rknn_zoo_e2e.result import Result
from rknn_zoo_e2e.tasks.base import Candidates, Channels, Task, Thresholds
from rknn_zoo_e2e.vision import drawing
from rknn_zoo_e2e.vision.letterbox import Letterbox
from rknn_zoo_e2e.vision.nms import rotated_nms
from rknn_zoo_e2e.vision.rotated import corners, regularize

if TYPE_CHECKING:
    from rknn_zoo_e2e.heads.detect import DetectTail


def rotated(found: Candidates) -> np.ndarray:
    """(N, 5) cx, cy, w, h in input px, radians."""
    return np.concatenate([found.channels[:4], found.channels[-1:]]).T


class ObbTask(Task):
    name, metric = "obb", "obb"

    @property
    def extra(self) -> tuple[Channels, ...]:
        return (Channels("angle", 1, "radians"),)

    @classmethod
    def tail(cls) -> type[DetectTail]:
        from rknn_zoo_e2e.heads.obb import ObbTail

        return ObbTail

    def suppress(self, found: Candidates, thresholds: Thresholds) -> np.ndarray:
        return rotated_nms(rotated(found), found.scores, found.class_ids, thresholds.iou)

    def finish(
        self,
        result: Result,
        extra: np.ndarray,
        found: Candidates,
        outputs: Sequence[np.ndarray],
        letterbox: Letterbox,
    ) -> None:
        obb = regularize(rotated(found)).astype(np.float32)
        obb[:, :2] = letterbox.points(obb[:, :2])
        obb[:, 2:4] /= letterbox.gain
        result.obb = obb
        around = corners(obb)
        limit = np.array([letterbox.source[1], letterbox.source[0]] * 2, np.float32)
        result.boxes = np.clip(np.concatenate([around.min(1), around.max(1)], 1), 0, limit).astype(np.float32)

    def draw(self, image: np.ndarray, result: Result) -> np.ndarray:
        assert result.obb is not None
        return drawing.outlines(image.copy(), result, corners(result.obb))
