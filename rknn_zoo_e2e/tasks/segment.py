"""Boxes with instance masks."""

from __future__ import annotations

from collections.abc import Sequence

from rknn_zoo_e2e.tasks.base import Candidates, Task
from rknn_zoo_e2e.tasks.outputs import Channels, Output
from rknn_zoo_e2e.tasks.result import Result
from rknn_zoo_e2e.vision.arrays import Floats
from rknn_zoo_e2e.vision.letterbox import Letterbox
from rknn_zoo_e2e.vision.masks import instance_masks
from rknn_zoo_e2e.vision.tensors import Raw


class SegmentTask(Task):
    """A mask beside each box."""

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
