"""Tails that give the head's maps level by level, as Rockchip's rknn_model_zoo and what is written for it read them.

The outputs, their shapes and their order are those of the fork that rknn_model_zoo's models are exported with
(airockchip/ultralytics_yolov8); what they mean is told by :mod:`rknn_zoo_e2e.tasks.model_zoo`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from ultralytics.nn.modules.block import Proto26
from ultralytics.nn.modules.head import OBB26, Pose26
from ultralytics.utils.tal import make_anchors

from rknn_zoo_e2e.heads.boundary import LEAVES, RETURNS, Boundary
from rknn_zoo_e2e.heads.branch import branches_of
from rknn_zoo_e2e.heads.grid import Grid
from rknn_zoo_e2e.heads.pose import KEY_POINTS, Pose26Tail, PoseTail
from rknn_zoo_e2e.heads.registry import known_tail


class ZooTail(nn.Module):
    """The branches of a trained head, which keep INT8 unless a task's tail says otherwise."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head
        self.branches = branches_of(head)

    def logits(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Box and class logits of each level in one map, (1, 4 * bins + classes, h, w)."""
        pairs = zip(self.branches["box_head"], self.branches["cls_head"], features, strict=True)
        return [torch.cat([box(x), scores(x)], 1) for box, scores, x in pairs]


class ZooDetectTail(ZooTail):
    """Of each level box logits, scores, and the scores' sum cut off at 1, by which a CPU skips empty cells."""

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Feature maps (1, C, h, w) of each level to three outputs each, with masks four, and then the prototypes."""
        outputs: list[Tensor] = []
        for level, x in enumerate(features):
            scores = self.branches["cls_head"][level](x).sigmoid()
            outputs += [self.branches["box_head"][level](x), scores, scores.sum(1, keepdim=True).clamp(0, 1)]
            outputs += [self.branches["mask_head"][level](x)] if "mask_head" in self.branches else []
        return (*outputs, *self.further(features))

    def further(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Outputs after those of the levels."""
        return []


class ZooSegmentTail(ZooDetectTail):
    """The same with the mask coefficients of each level, and then the prototypes (1, masks, h, w)."""

    def further(self, features: Sequence[Tensor]) -> list[Tensor]:
        """The prototypes, of YOLO26 from all levels."""
        proto = self.head.proto
        return [proto(features if isinstance(proto, Proto26) else features[0])]


class ZooPoseTail(ZooTail):
    """Box and class logits of each level in one map, then all key points decoded, in px: (1, points, values, A).

    As in Rockchip's own script the key points are not INT8, from the first convolution of their branch on.
    """

    def __init__(self, head: nn.Module) -> None:
        super().__init__(head)
        formula: type[PoseTail] = PoseTail
        branches = [list(stem) for stem in self.branches["pose_head"]]
        if isinstance(head, Pose26):
            formula = Pose26Tail
            branches = [[*stem, last] for stem, last in zip(branches, self.branches["kpts_head"], strict=True)]
        self.scale, self.origin = formula.scale, formula.origin
        regions = [f"{KEY_POINTS}.{level}" for level in range(len(branches))]
        self.points = nn.ModuleList(
            nn.Sequential(first, Boundary(LEAVES, region), *rest)
            for region, (first, *rest) in zip(regions, branches, strict=True)
        )
        self.returns = nn.Sequential(*(Boundary(RETURNS, region) for region in regions))

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Feature maps (1, C, h, w) of each level to one output each, and the key points."""
        raw = torch.cat([branch(x).flatten(2) for branch, x in zip(self.points, features, strict=True)], 2)
        points = raw.view(1, *self.head.kpt_shape, -1)
        centres, strides = (x.transpose(0, 1) for x in make_anchors(features, self.head.stride, 0.5))
        located = (points[:, :, :2] * self.scale + (centres + self.origin)) * strides
        return (*self.logits(features), self.returns(torch.cat([located, points[:, :, 2:].sigmoid()], 2)))


class ZooObbTail(ZooTail):
    """Box and class logits of each level in one map, then all angles, (1, 1, A): ``(value - 1/4) * pi`` radians."""

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Feature maps (1, C, h, w) of each level to one output each, and the angles."""
        branches = zip(self.branches["angle_head"], features, strict=True)
        raw = torch.cat([branch(x).flatten(2) for branch, x in branches], 2)
        # YOLO26 gives the angle itself; readers know the other form.
        return (*self.logits(features), raw / np.pi + 0.25 if isinstance(self.head, OBB26) else raw.sigmoid())


TAILS = {"detect": ZooDetectTail, "segment": ZooSegmentTail, "pose": ZooPoseTail, "obb": ZooObbTail}


def zoo_tail(head: nn.Module, grid: Grid, layout: str, floats: bool) -> ZooTail:
    """The tail for a head; its outputs have one layout, and decode nothing that would need floats."""
    return TAILS[known_tail(head).task](head)
