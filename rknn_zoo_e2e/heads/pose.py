"""Pose tail: key points normalised to the input, visibility as a score, in Ultralytics' interleaved order."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from rknn_zoo_e2e.heads.branch import Branch, leaves, split_last
from rknn_zoo_e2e.heads.detect import DetectTail
from rknn_zoo_e2e.heads.grid import Grid
from rknn_zoo_e2e.vision.arrays import Array

SILENT_LOGIT = -30.0  # sigmoid(-30) is 0 in fp16: silences the visibility of an x or y channel
KEY_POINTS = "key_points"  # the name of both branches, which have their stems in common


def leaving(stem: nn.Module, level: int) -> nn.Module:
    """The stem of a coarser level, which leaves INT8 one convolution earlier than a branch does otherwise.

    Key points are distances in cells, so the noise of eight bits moves them further there. The median error of
    yolo26n-pose falls by a fifth, OKS rises from 55.1 to 55.6 of 56.5, for 6 % more cycles (yolov8n-pose: by a quarter,
    49.3 to 49.4 of 49.5, 3 %). On the finest level it costs three times as much and gains nothing.
    """
    *first, last = stem.named_children()
    return nn.Sequential(OrderedDict([*first, ("leaves", leaves(KEY_POINTS, level)), last]))


class PoseTail(DetectTail):
    """Adds x, y (normalised, 0..1) and, where the model has it, visibility (0..1) of each key point.

    Strided slices run on the CPU, so x, y and visibility are not pulled apart: one convolution makes x and y and zero
    for visibility, another makes visibility and nothing for x and y, and their sum is the interleaved result.
    Formula: ``Pose.kpts_decode`` of Ultralytics.

    Attributes:
        scale, origin: a key point is at ``scale * output + origin`` cells from the centre of its cell.
    """

    task = "pose"
    scale: ClassVar[float] = 2.0  # half cells, from the corner
    origin: ClassVar[float] = -0.5

    def __init__(self, head: nn.Module, grid: Grid, layout: str, floats: bool = True) -> None:
        super().__init__(head, grid, layout, floats)
        points, values = head.kpt_shape
        stems, last = self.stems_and_last()
        self.stems = nn.ModuleList([stems[0], *(leaving(stem, level) for level, stem in enumerate(stems[1:], 1))])

        def interleaved(xy: Array) -> Array:
            """(2, ...) to (points * values, ...), zero for visibility."""
            one = np.concatenate([xy, np.zeros((values - 2, *xy.shape[1:]))])
            return np.concatenate([one] * points)

        cells = [interleaved(np.array([s / grid.unit[1], s / grid.unit[0]])) for s in grid.strides]
        matrices, biases = [np.diag(c * self.scale) for c in cells], [c * self.origin for c in cells]
        self.offsets = Branch(KEY_POINTS, last, grid, matrices, biases)
        self.register_buffer("points", torch.from_numpy(interleaved(grid.centres())[None].astype(np.float32)))
        self.visibility = None
        if values == 3:
            located = interleaved(np.ones(2))
            n = len(grid.levels)
            self.visibility = Branch(
                KEY_POINTS, last, grid, [np.diag(1 - located)] * n, [located * SILENT_LOGIT] * n, torch.sigmoid
            )

    @staticmethod
    def facts(head: nn.Module) -> dict[str, Any]:
        """How many key points there are, and whether they have a visibility."""
        return {"kpt_shape": tuple(head.kpt_shape)}

    def stems_and_last(self) -> tuple[list[nn.Module], list[nn.Conv2d]]:
        """The stem of each level, and the convolution after it that gives the key points."""
        return split_last(self.branches["pose_head"])

    def box_and_extra(self, features: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """The box, and the key points (1, points * values, H', W'), interleaved."""
        box, _ = super().box_and_extra(features)
        stemmed = [stem(x) for stem, x in zip(self.stems, features, strict=True)]
        points = self.offsets(stemmed) + self.points
        return box, [points if self.visibility is None else points + self.visibility(stemmed)]


class Pose26Tail(PoseTail):
    """YOLO26 gives cells from the centre, by convolutions apart from their stems.

    Formula: ``Pose26.kpts_decode`` of Ultralytics.
    """

    scale, origin = 1.0, 0.0

    def stems_and_last(self) -> tuple[list[nn.Module], list[nn.Conv2d]]:
        """The stem of each level, and the convolution beside it that gives the key points."""
        return list(self.branches["pose_head"]), list(self.branches["kpts_head"])
