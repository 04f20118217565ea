"""Rotated boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rknn_zoo_e2e.tasks.base import Candidates, Task, Thresholds, near
from rknn_zoo_e2e.tasks.outputs import Channels
from rknn_zoo_e2e.tasks.result import Result
from rknn_zoo_e2e.vision.arrays import Array, Floats, Indices
from rknn_zoo_e2e.vision.letterbox import Letterbox
from rknn_zoo_e2e.vision.nms import rotated_nms
from rknn_zoo_e2e.vision.rotated import corners, regularize
from rknn_zoo_e2e.vision.tensors import Raw, part


class ObbTask(Task):
    """Boxes turned by an angle."""

    own_error = "angle_degrees"

    @property
    def extra(self) -> tuple[Channels, ...]:
        """The angle."""
        return (Channels("angle", 1, "radians"),)

    def geometry(self, output: Raw, anchors: Indices) -> Floats:
        """(5, N) float32 of some anchors: cx, cy, w, h in input px, radians."""
        angle = len(self.scale) - 1
        box, radians = part(output, 0, 4, anchors), part(output, angle, angle + 1, anchors)
        return near(np.concatenate([box, radians])) * self.scale[[0, 1, 2, 3, angle]]

    def suppress(self, found: Candidates, thresholds: Thresholds) -> Indices:
        """Indices of the candidates that overlap no better one, best first, at most ``max_det``."""
        return rotated_nms(found.geometry, found.scores, found.class_ids, thresholds.iou, thresholds.max_det)

    def sides(self, geometry: Floats) -> Floats:
        """Widths and heights, (2, N)."""
        return geometry[2:4]

    def boxes(self, found: Candidates, letterbox: Letterbox) -> Floats:
        """(N, 4) xyxy in source px of the upright rectangles around them, clipped to the picture."""
        around = corners(self.rotated(found, letterbox))
        return letterbox.clip(np.concatenate([around.min(1), around.max(1)], 1))

    def rotated(self, found: Candidates, letterbox: Letterbox) -> Floats:
        """(N, 5) cx, cy, w, h in source px and radians in [0, pi/2)."""
        obb = found.geometry.T.copy()
        obb[:, :2] = letterbox.points(obb[:, :2])
        obb[:, 2:4] /= letterbox.gain
        return regularize(obb)

    def finish(
        self,
        result: Result,
        extra: Floats,
        found: Candidates,
        outputs: Sequence[Raw],
        letterbox: Letterbox,
    ) -> None:
        """Adds the rotated boxes."""
        result.obb = self.rotated(found, letterbox)

    def off(self, boxes: Array, wanted: Sequence[Array], found: Sequence[Array]) -> Array:
        """(N,) error of the angle in degrees, half a turn being none, weighed by how far the box is from a square.

        A square has no angle to get wrong: the model's wavers, and no rotated IoU changes with it.
        """
        turned = np.abs(found[0][0] - wanted[0][0]) % np.pi
        shorter, longer = np.sort(boxes[2:], 0)
        degrees: Array = np.degrees(np.minimum(turned, np.pi - turned)) * (1 - shorter / np.maximum(longer, 1e-6))
        return degrees
