"""Rotated-box tail: centres decoded inside the graph, the angle as the last channel."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import torch
from numpy.polynomial import chebyshev
from torch import Tensor, nn

from rknn_zoo_e2e.heads.branch import StemmedBranch
from rknn_zoo_e2e.heads.detect import DetectTail
from rknn_zoo_e2e.heads.grid import Grid
from rknn_zoo_e2e.heads.linear import constant
from rknn_zoo_e2e.vision.arrays import Array

DEGREE = 6  # in the square: 2e-7 off over half a turn to either side, fp32's own rounding over a quarter
MIDDLE_ANGLE = math.pi / 4  # Ultralytics' angles lie in [-pi/4, 3 pi/4), a quarter turn to either side of this


def even_polynomial(function: Callable[[Array], Array]) -> Array:
    """Coefficients c of sum c[k] t^k, t = v^2, near the best approximation of an even function on |v| <= 1."""
    fit = chebyshev.Chebyshev.interpolate(lambda t: function(np.sqrt(np.maximum(t, 1e-30))), DEGREE, [0, 1])
    coefficients: Array = fit.convert(kind=np.polynomial.Polynomial).coef
    return coefficients


class Rotation(nn.Module):
    """cos and sin of ``limit * v`` for |v| <= 1 by polynomials: Sin and Cos run on the CPU.

    In v and not in the angle itself, so that no power leaves the range of fp16. The six powers of t = v^2 are products
    of t, t^2 and t^4, side by side as channels; nothing is concatenated, which single channels are too narrow for.
    """

    def __init__(self, limit: float) -> None:
        super().__init__()
        cos = even_polynomial(lambda v: np.cos(limit * v))
        sin = even_polynomial(lambda v: np.sin(limit * v) / v)  # times v
        bits = [np.array([[k >> bit & 1] for k in range(1, DEGREE + 1)]) for bit in range(3)]
        self.factors = nn.ModuleList(constant(bit, 1 - bit[:, 0]) for bit in bits)  # the power of t, or 1
        self.cos, self.sin = constant(cos[None, 1:], cos[:1]), constant(sin[None, 1:], sin[:1])

    def forward(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """Angle (1, 1, H, W) in units of the limit to its cos and its sin, each (1, 1, H, W)."""
        t = v * v
        t2 = t * t
        one, two, four = self.factors
        powers = one(t) * two(t2) * four(t2 * t2)
        return self.cos(powers), self.sin(powers) * v


def rows(matrix: list[list[float]], first: int = 0) -> Array:
    """A matrix as the rows from ``first`` on of one that makes cx, cy, w, h; the other rows are zero."""
    whole = np.zeros((4, len(matrix[0])))
    whole[first : first + len(matrix)] = matrix
    return whole


class ObbTail(DetectTail):
    """Adds the angle in radians; the box is cx, cy, w, h of the rotated rectangle, normalised (0..1).

    Formula: ultralytics.utils.tal.dist2rbox. x and y are divided by the input's width and height, w and h too.

    Attributes:
        bounded: the head gives a logit, whose sigmoid is the angle within Ultralytics' range.
    """

    task = "obb"
    bounded: ClassVar[bool] = True

    def __init__(self, head: nn.Module, grid: Grid, layout: str, floats: bool = True) -> None:
        super().__init__(head, grid, layout, floats)
        self.limit = math.pi / 2 if self.bounded else math.pi
        activation = torch.sigmoid if self.bounded else None
        self.angle = StemmedBranch("angle", self.branches["angle_head"], grid, activation=activation)
        self.rotation = Rotation(self.limit)
        h = math.sqrt(0.5)  # cos and sin of the middle
        self.from_cos, self.from_sin = constant(rows([[h], [h]])), constant(rows([[-h], [h]]))
        self.swap = constant(rows([[0, 1, 0, 0], [1, 0, 0, 0]]))
        self.along = constant(rows([[-0.5, 0, 0.5, 0], [-0.5, 0, 0.5, 0]]))
        self.across = constant(rows([[0, 0.5, 0, -0.5], [0, -0.5, 0, 0.5]]))
        self.size = constant(rows([[1.0, 0, 1, 0], [0, 1, 0, 1]], first=2))

    def box_and_extra(self, features: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """cx, cy, w, h (1, 4, H', W') of the rotated rectangle, normalised, and its angle (1, 1, H', W') in radians."""
        raw, ltrb = self.angle(features), self.distances(features)
        v = raw * 2 - 1 if self.bounded else (raw - MIDDLE_ANGLE) / self.limit
        cos, sin = self.rotation(v if self.bounded else v.clamp(-1, 1))
        turn = self.from_cos(cos) + self.from_sin(sin)  # cos and sin of the angle, 0, 0
        box = self.size(ltrb) + self.along(ltrb) * turn + self.across(ltrb) * self.swap(turn)
        box = box * self.cell + self.centres
        return box, [v * self.limit + MIDDLE_ANGLE]


class Obb26Tail(ObbTail):
    """YOLO26 gives the angle itself, mostly in Ultralytics' range; half a turn to either side is decoded."""

    bounded = False
