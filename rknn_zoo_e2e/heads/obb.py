"""Rotated-box tail: centres decoded inside the graph, the angle as the last channel."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.polynomial import chebyshev
from torch import Tensor, nn
from ultralytics.nn.modules.head import OBB26

from rknn_zoo_e2e.heads.branch import StemmedBranch
from rknn_zoo_e2e.heads.detect import DetectTail
from rknn_zoo_e2e.heads.grid import Grid
from rknn_zoo_e2e.heads.linear import constant

DEGREE = 6  # in the square: 2e-7 off over half a turn to either side, fp32's own rounding over a quarter
MIDDLE = math.pi / 4  # Ultralytics' angles lie in [-pi/4, 3 pi/4), a quarter turn to either side of this


def even_polynomial(function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Coefficients c of sum c[k] t^k, t = v^2, near the best approximation of an even function on |v| <= 1."""
    fit = chebyshev.Chebyshev.interpolate(lambda t: function(np.sqrt(np.maximum(t, 1e-30))), DEGREE, [0, 1])
    return fit.convert(kind=np.polynomial.Polynomial).coef


class Rotation(nn.Module):
    """cos and sin of ``MIDDLE + limit * v`` for |v| <= 1 by polynomials: Sin and Cos run on the CPU.

    In v and not in the angle itself, so that no power leaves the range of fp16.
    """

    def __init__(self, limit: float) -> None:
        super().__init__()
        cos = even_polynomial(lambda v: np.cos(limit * v))
        sin = even_polynomial(lambda v: np.sin(limit * v) / v)  # times v
        self.polynomials = constant(np.stack([cos[1:], sin[1:]]), np.array([cos[0], sin[0]]))
        h = math.sqrt(0.5)  # cos and sin of pi/4
        self.turn = constant(np.array([[h, -h], [h, h]]))

    def forward(self, v: Tensor) -> Tensor:
        """Angle v from the middle (1, 1, H, W) in units of the limit to (1, 2, H, W): cos, sin."""
        t = v * v
        t2 = t * t
        t3 = t2 * t
        powers = torch.cat([t, t2, t3, t2 * t2, t2 * t3, t3 * t3], 1)
        cos, sin = self.polynomials(powers).chunk(2, 1)
        return self.turn(torch.cat([cos, sin * v], 1))


class ObbTail(DetectTail):
    """Adds the angle in radians; the box is cx, cy, w, h of the rotated rectangle, normalised (0..1).

    Formula: ultralytics.utils.tal.dist2rbox. x and y are divided by the input's width and height, w and h too.
    """

    def __init__(self, head: nn.Module, grid: Grid, layout: str) -> None:
        super().__init__(head, grid, layout)
        # YOLO26 gives the angle itself (mostly in Ultralytics' range; half a turn to either side is decoded),
        # the others a logit.
        self.bounded = not isinstance(head, OBB26)
        self.limit = math.pi / 2 if self.bounded else math.pi
        activation = torch.sigmoid if self.bounded else None
        self.angle = StemmedBranch(self.branches["angle_head"], grid, activation=activation)
        self.rotation = Rotation(self.limit)
        self.along = constant(np.array([[-0.5, 0, 0.5, 0], [-0.5, 0, 0.5, 0]]))
        self.across = constant(np.array([[0, 0.5, 0, -0.5], [0, -0.5, 0, 0.5]]))
        self.swap = constant(np.array([[0.0, 1.0], [1.0, 0.0]]))
        self.size = constant(np.array([[1.0, 0, 1, 0], [0, 1, 0, 1]]))

    def box_and_extra(self, features: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        raw, ltrb = self.angle(features), self.distances(features)
        v = raw * 2 - 1 if self.bounded else (raw - MIDDLE) / self.limit
        turn = self.rotation(v if self.bounded else v.clamp(-1, 1))
        shift = self.along(ltrb) * turn + self.across(ltrb) * self.swap(turn)
        box = torch.cat([shift, self.size(ltrb)], 1) * self.cell + self.centres
        return box, [v * self.limit + MIDDLE]
