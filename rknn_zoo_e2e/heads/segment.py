"""Segmentation tail: mask coefficients beside the boxes, prototypes as a second output."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from ultralytics.nn.modules.block import Proto26

from rknn_zoo_e2e.heads.branch import StemmedBranch
from rknn_zoo_e2e.heads.detect import DetectTail
from rknn_zoo_e2e.heads.grid import Grid


class SegmentTail(DetectTail):
    """Adds the mask coefficients (unbounded); ``output1`` (1, masks, h, w) holds the prototypes."""

    def __init__(self, head: nn.Module, grid: Grid, layout: str, floats: bool = True) -> None:
        super().__init__(head, grid, layout, floats)
        self.coefficients = StemmedBranch(self.branches["mask_head"], grid)
        self.proto = head.proto

    def box_and_extra(self, features: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        box, _ = super().box_and_extra(features)
        return box, [self.coefficients(features)]

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        # YOLO26's prototypes look at all levels, the others at the finest.
        seen = features if isinstance(self.proto, Proto26) else features[0]
        return super().forward(features), self.proto(seen)  # type: ignore[return-value]
