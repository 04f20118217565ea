"""Pose tail: key points normalised to the input, visibility as a score, in Ultralytics' interleaved order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from ultralytics.nn.modules.head import Pose26

from rknn_zoo_e2e.heads.branch import Branch, split_last
from rknn_zoo_e2e.heads.detect import DetectTail
from rknn_zoo_e2e.heads.grid import Grid

OFF = -30.0  # sigmoid(-30) is 0 in fp16: silences the visibility of an x or y channel


class PoseTail(DetectTail):
    """Adds x, y (normalised, 0..1) and, where the model has it, visibility (0..1) of each key point.

    Strided slices run on the CPU, so x, y and visibility are not pulled apart: one convolution makes x and y and zero
    for visibility, another makes visibility and nothing for x and y, and their sum is the interleaved result.
    Formula: ``Pose.kpts_decode`` and ``Pose26.kpts_decode`` of Ultralytics.
    """

    def __init__(self, head: nn.Module, grid: Grid, layout: str, floats: bool = True) -> None:
        super().__init__(head, grid, layout, floats)
        points, values = head.kpt_shape
        if isinstance(head, Pose26):
            stems, last = list(self.branches["pose_head"]), list(self.branches["kpts_head"])
            scale, origin = 1.0, 0.0  # offset in cells from the centre of the cell
        else:
            stems, last = split_last(self.branches["pose_head"])
            scale, origin = 2.0, -0.5  # offset in half cells from the corner of the cell
        self.stems = nn.ModuleList(stems)

        def interleaved(xy: np.ndarray) -> np.ndarray:
            """(2, ...) to (points * values, ...), zero for visibility."""
            one = np.concatenate([xy, np.zeros((values - 2, *xy.shape[1:]))])
            return np.concatenate([one] * points)

        cells = [interleaved(np.array([s / grid.imgsz[1], s / grid.imgsz[0]])) for s in grid.strides]
        matrices, biases = [np.diag(c * scale) for c in cells], [c * origin for c in cells]
        self.offsets = Branch(last, grid, matrices, biases)
        self.register_buffer("points", torch.from_numpy(interleaved(grid.centres())[None].astype(np.float32)))
        self.visibility = None
        if values == 3:
            located = interleaved(np.ones(2))
            n = len(grid.levels)
            self.visibility = Branch(last, grid, [np.diag(1 - located)] * n, [located * OFF] * n, torch.sigmoid)

    def box_and_extra(self, features: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        box, _ = super().box_and_extra(features)
        stemmed = [stem(x) for stem, x in zip(self.stems, features, strict=True)]
        points = self.offsets(stemmed) + self.points
        return box, [points if self.visibility is None else points + self.visibility(stemmed)]
