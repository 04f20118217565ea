"""One grid for all anchors: every pyramid level is reshaped to one width and stacked, so that one tail decodes all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rknn_zoo_e2e.vision.arrays import Floats

# Where the finest level's own width does not divide the coarsest level: the nearest that does.
PREFERRED_WIDTH = 80


@dataclass(frozen=True)
class Grid:
    """Anchors of all levels as one map of ``height`` x ``width``, in Ultralytics' order (level by level, row by row).

    Attributes:
        imgsz: model input (height, width) in px, each a multiple of the largest stride.
        strides: px per cell of each level, ascending, e.g. (8, 16, 32).
        pixels: whether places are in px, not normalised to the input.
    """

    imgsz: tuple[int, int]
    strides: tuple[int, ...]
    pixels: bool = False

    @property
    def unit(self) -> tuple[int, int]:
        """What px are divided by, (y, x)."""
        return (1, 1) if self.pixels else self.imgsz

    @cached_property
    def levels(self) -> list[tuple[int, int]]:
        """(height, width) in cells of each level."""
        return [(self.imgsz[0] // s, self.imgsz[1] // s) for s in self.strides]

    @cached_property
    def width(self) -> int:
        """The common width, a divisor of the smallest level's cell count.

        That of the finest level, if it is one: three quarters of all cells then stay as they are, where another width
        has the NPU read them once more (3 % of a model's traffic). Else the divisor nearest to the preferred width.
        Strides double from level to level, so a divisor of the smallest level divides the others too.
        """
        cells = self.levels[-1][0] * self.levels[-1][1]
        finest = self.levels[0][1]
        if cells % finest == 0:
            return finest
        divisors = [d for d in range(1, cells + 1) if cells % d == 0]
        return min(divisors, key=lambda d: (abs(d - PREFERRED_WIDTH), d))

    @cached_property
    def rows(self) -> list[int]:
        """Rows of the common grid that each level fills."""
        return [h * w // self.width for h, w in self.levels]

    @property
    def height(self) -> int:
        """Rows of all levels together."""
        return sum(self.rows)

    @property
    def anchors(self) -> int:
        """Anchors of all levels together."""
        return self.height * self.width

    def centres(self) -> Floats:
        """Anchor centres (2, height, width) float32: x, y, in the unit."""
        h, w = self.unit
        parts = []
        for s, (rows, cols) in zip(self.strides, self.levels, strict=True):
            y, x = np.meshgrid((np.arange(rows) + 0.5) * s / h, (np.arange(cols) + 0.5) * s / w, indexing="ij")
            parts.append(np.stack([x.ravel(), y.ravel()]))
        centres: Floats = np.concatenate(parts, 1).reshape(2, self.height, self.width).astype(np.float32)
        return centres

    def cell(self) -> Floats:
        """Size of one cell (2, height, width) float32: x, y, in the unit."""
        h, w = self.unit
        sizes = np.repeat(np.array(self.strides, np.float64), [r * c for r, c in self.levels])
        cell: Floats = np.stack([sizes / w, sizes / h]).reshape(2, self.height, self.width).astype(np.float32)
        return cell
