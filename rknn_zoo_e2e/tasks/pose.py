"""Boxes with key points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rknn_zoo_e2e.tasks.base import Candidates, Task
from rknn_zoo_e2e.tasks.outputs import Channels
from rknn_zoo_e2e.tasks.result import Result
from rknn_zoo_e2e.vision.arrays import Array, Floats
from rknn_zoo_e2e.vision.letterbox import Letterbox
from rknn_zoo_e2e.vision.tensors import Raw


class PoseTask(Task):
    """Key points beside each box."""

    own_error = "keypoints_px"

    @property
    def shape(self) -> tuple[int, int]:
        """(points, values)."""
        assert self.spec.kpt_shape is not None, "a pose model has key points"
        return self.spec.kpt_shape

    @property
    def extra(self) -> tuple[Channels, ...]:
        """The key points."""
        points, values = self.shape
        what = "x, y normalised to the input (0..1)" + (", visibility 0..1" if values == 3 else "") + ", interleaved"
        return (Channels("keypoints", points * values, what),)

    def input_scale(self) -> Floats:
        """(C, 1) float32: also the key points' x and y to input px, their visibility as it is."""
        scale = super().input_scale()
        points, values = self.shape
        h, w = self.spec.imgsz
        scale[-points * values :, 0] = np.tile([w, h, 1][:values], points)
        return scale

    def finish(
        self,
        result: Result,
        extra: Floats,
        found: Candidates,
        outputs: Sequence[Raw],
        letterbox: Letterbox,
    ) -> None:
        """Adds the key points (N, K, 2 or 3), x and y in source px and clipped to the picture."""
        points = extra.reshape(-1, *self.shape)
        limit = np.array([letterbox.source[1], letterbox.source[0]], np.float32)
        points[..., :2] = np.clip(letterbox.points(points[..., :2]), 0, limit)
        result.keypoints = points

    def off(self, boxes: Array, wanted: Sequence[Array], found: Sequence[Array]) -> Array:
        """(N,) mean error of x and y in input px, each point weighed by how visible it should be."""
        one, two = (answer[0].reshape(*self.shape, -1) for answer in (wanted, found))
        weights = one[:, 2] if self.shape[1] == 3 else np.ones(one[:, 0].shape)
        error: Array = np.average(np.abs(two[:, :2] - one[:, :2]).mean(1), 0, np.maximum(weights, 1e-9))
        return error
