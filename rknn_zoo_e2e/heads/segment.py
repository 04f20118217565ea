"""Segmentation tail: mask coefficients beside the boxes, prototypes as a second output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from rknn_zoo_e2e.heads.branch import StemmedBranch
from rknn_zoo_e2e.heads.detect import DetectTail
from rknn_zoo_e2e.heads.grid import Grid


class SegmentTail(DetectTail):
    """Adds the mask coefficients (unbounded); ``output1`` (1, masks, h, w) holds the prototypes."""

    task = "segment"

    def __init__(self, head: nn.Module, grid: Grid, layout: str, floats: bool = True) -> None:
        super().__init__(head, grid, layout, floats)
        self.coefficients = StemmedBranch("coefficients", self.branches["mask_head"], grid)
        self.proto = head.proto

    @staticmethod
    def facts(head: nn.Module) -> dict[str, Any]:
        """How many prototypes there are."""
        return {"masks": int(getattr(head, "nm", 0))}

    def box_and_extra(self, features: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """The box, and the weights of the prototypes (1, masks, H', W'), unbounded."""
        box, _ = super().box_and_extra(features)
        return box, [self.coefficients(features)]

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Feature maps (1, C, h, w) of each level to the output and the prototypes (1, masks, h, w)."""
        return super().forward(features), self.prototypes(features)

    def prototypes(self, features: Sequence[Tensor]) -> Tensor:
        """(1, masks, h, w), from the finest level."""
        return self.proto(features[0])


class Segment26Tail(SegmentTail):
    """YOLO26's prototypes look at all levels."""

    def prototypes(self, features: Sequence[Tensor]) -> Tensor:
        """(1, masks, h, w), from all levels."""
        return self.proto(features)
