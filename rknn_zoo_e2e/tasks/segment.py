"""Boxes with instance masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rknn_zoo_e2e.tasks.base import Candidates, Task
from rknn_zoo_e2e.tasks.outputs import Channels, Output
from rknn_zoo_e2e.tasks.result import Result
from rknn_zoo_e2e.vision.arrays import Array, Floats
from rknn_zoo_e2e.vision.letterbox import Letterbox
from rknn_zoo_e2e.vision.masks import instance_masks
from rknn_zoo_e2e.vision.tensors import Raw

POINTS = 8  # a side, of a box, that :meth:`SegmentTask.off` looks at


class SegmentTask(Task):
    """A mask beside each box."""

    own_error = "mask"

    @property
    def extra(self) -> tuple[Channels, ...]:
        """The weights of the prototypes."""
        return (Channels("coefficients", self.spec.masks, "weights of the prototypes, unbounded"),)

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The boxes with their weights, and the prototypes."""
        protos = Channels("prototypes", self.spec.masks, "logits over the input, a quarter of its size")
        return (*super().outputs, Output("output1", (protos,)))

    def check(self, outputs: Sequence[Raw]) -> None:
        """Raises :class:`ValueError`, too, where the prototypes are no map of the input's proportions."""
        super().check(outputs)
        shape, name = outputs[-1].shape, self.form.outputs[-1].name
        if len(shape) != 4 or shape[-2] * self.spec.imgsz[1] != shape[-1] * self.spec.imgsz[0]:
            raise ValueError(f"{name} of shape {shape} for an input of {self.spec.imgsz}")

    def finish(
        self,
        result: Result,
        extra: Floats,
        found: Candidates,
        outputs: Sequence[Raw],
        letterbox: Letterbox,
    ) -> None:
        """Adds the masks."""
        protos = outputs[1].reshape(*outputs[1].shape[1:])
        result.masks = instance_masks(protos, extra, result.boxes, letterbox)

    def off(self, boxes: Array, wanted: Sequence[Array], found: Sequence[Array]) -> Array:
        """(N,) mean error of the mask's probability, 0..1, at :data:`POINTS` x :data:`POINTS` points of the box."""
        height, width = wanted[1].shape[1:]
        steps = (np.arange(POINTS) + 0.5) / POINTS - 0.5
        sides = np.array(self.spec.imgsz[::-1])
        x, y = (boxes[axis, :, None] + boxes[axis + 2, :, None] * steps for axis in (0, 1))  # px, (N, POINTS)
        column = np.clip(x * width / sides[0], 0, width - 1).astype(int)[:, None, :]
        row = np.clip(y * height / sides[1], 0, height - 1).astype(int)[:, :, None]
        one, two = (_probabilities(coefficients, protos[:, row, column]) for coefficients, protos in (wanted, found))
        error: Array = np.abs(two - one).mean((1, 2))
        return error


def _probabilities(coefficients: Array, prototypes: Array) -> Array:
    """Masks (N, Y, X), 0..1, of coefficients (C, N) and prototypes (C, N, Y, X)."""
    logits = np.einsum("cn,cnyx->nyx", coefficients, prototypes)
    masks: Array = 1 / (1 + np.exp(-np.clip(logits, -50, 50)))
    return masks
