"""Rotated boxes: corners and the one form each of them has."""

from __future__ import annotations

import numpy as np

from rknn_zoo_e2e.vision.arrays import Floats


def corners(obb: Floats) -> Floats:
    """(N, 5) cx, cy, w, h, radians to corners (N, 4, 2) in the same unit, in order around the box."""
    cos, sin = np.cos(obb[:, 4]), np.sin(obb[:, 4])
    along = np.stack([obb[:, 2] / 2 * cos, obb[:, 2] / 2 * sin], 1)
    across = np.stack([-obb[:, 3] / 2 * sin, obb[:, 3] / 2 * cos], 1)
    centre = obb[:, :2]
    turns = ((1, 1), (1, -1), (-1, -1), (-1, 1))
    return np.stack([centre + a * along + b * across for a, b in turns], 1)


def regularize(obb: Floats) -> Floats:
    """The same rectangles (N, 5) with the angle in [0, pi/2) (ultralytics.utils.ops.regularize_rboxes)."""
    out, angle = obb.copy(), obb[:, 4]
    turned = angle % np.pi >= np.pi / 2
    out[turned, 2], out[turned, 3] = obb[turned, 3], obb[turned, 2]
    out[:, 4] = angle % (np.pi / 2)
    return out
