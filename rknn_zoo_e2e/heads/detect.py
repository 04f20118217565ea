"""Detection tail: distances and class scores to normalised boxes and scores on one grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from rknn_zoo_e2e.heads.branch import StemmedBranch, branches_of
from rknn_zoo_e2e.heads.dfl import TreeDFL
from rknn_zoo_e2e.heads.grid import Grid
from rknn_zoo_e2e.heads.linear import constant
from rknn_zoo_e2e.heads.quotient import QuotientDFL

# left, top, right, bottom to: shift of the centre in x and y, width, height (ultralytics.utils.tal.dist2bbox)
LTRB_TO_BOX = np.array([[-0.5, 0, 0.5, 0], [0, -0.5, 0, 0.5], [1, 0, 1, 0], [0, 1, 0, 1]])


class Distances(nn.Module):
    """Distances (1, 4, H', W') from the anchor to the left, top, right and bottom side, in cells of the level."""

    def __init__(self, box_head: Sequence[nn.Sequential], reg_max: int, grid: Grid, floats: bool) -> None:
        super().__init__()
        self.dfl = (QuotientDFL if floats else TreeDFL)(reg_max) if reg_max > 1 else nn.Identity()
        folded = {}
        if not isinstance(self.dfl, nn.Identity):
            folded = {"matrix": [self.dfl.matrix] * len(grid.levels), "bias": [self.dfl.bias] * len(grid.levels)}
        self.logits = StemmedBranch("boxes", box_head, grid, **folded)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Feature maps (1, C, h, w) of each level to the distances."""
        return self.dfl(self.logits(features))


class DetectTail(nn.Module):
    """Replaces the forward of Ultralytics' ``Detect``; the other tasks add their channels to it.

    Output (1, 4 + classes + extra, A) in layout ``flat`` or (1, ..., H', W') in ``grid``: cx, cy, w, h normalised to
    the input (0..1), class scores (0..1), then the task's own channels.

    Args:
        head: the trained head.
        floats: for an NPU that computes in fp16, which divides.

    Attributes:
        task: the task its outputs are those of.
    """

    task: ClassVar[str] = "detect"

    def __init__(self, head: nn.Module, grid: Grid, layout: str, floats: bool = True) -> None:
        super().__init__()
        self.grid, self.flat = grid, layout == "flat"
        self.branches = branches_of(head)
        self.distances = Distances(self.branches["box_head"], head.reg_max, grid, floats)
        self.scores = StemmedBranch("scores", self.branches["cls_head"], grid, activation=torch.sigmoid)
        self.to_box = constant(LTRB_TO_BOX)
        cell, centres = grid.cell(), grid.centres()
        self.register_buffer("cell", torch.from_numpy(np.concatenate([cell, cell])[None]))
        self.register_buffer("centres", torch.from_numpy(np.concatenate([centres, np.zeros_like(centres)])[None]))

    @staticmethod
    def facts(head: nn.Module) -> dict[str, Any]:
        """What the head knows of its model and no other task has: fields of a ``ModelSpec``."""
        return {}

    def box_and_extra(self, features: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """cx, cy, w, h (1, 4, H', W') normalised, and the task's own channels, each (1, C, H', W')."""
        return self.to_box(self.distances(features)) * self.cell + self.centres, []

    def forward(self, features: Sequence[Tensor]) -> Tensor | tuple[Tensor, ...]:
        """Feature maps (1, C, h, w) of each level to the output; tasks with several outputs give a tuple."""
        box, extra = self.box_and_extra(features)
        y = torch.cat([box, self.scores(features), *extra], 1)
        return y.reshape(1, y.shape[1], self.grid.anchors) if self.flat else y
