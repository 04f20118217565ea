"""Where to clip a tensor so that eight bits lose least.

A wider range clips less and rounds more. The two errors are weighed on a sample of the tensor's values, by a power of
their size: with the square few large errors of clipping count for more than with a lower power.
"""

from __future__ import annotations

import numpy as np

from rknn_zoo_e2e.toolkit.weight_grids import HIGH, LOW, on_grid
from rknn_zoo_e2e.vision.arrays import Array

SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.33, 0.27, 0.22, 0.18, 0.15)  # of the measured range, to choose from
PER_PICTURE = 16384  # values kept of each picture, besides the few beyond them
MOST_PICTURES = 100  # whose values are kept


class Sample:
    """Values of one tensor over pictures: a random part, and every value beyond that part's smallest and largest.

    These are few, and no random part shows how far they lie. Of more than ``MOST_PICTURES`` pictures a random choice is
    kept, each as likely as any other (Vitter's algorithm R), so that memory does not grow with their number.
    """

    def __init__(self) -> None:
        self.parts: list[Array] = []
        self.tails: list[Array] = []
        self.weight = 1.0  # values each one of a part stands for
        self.random = np.random.default_rng(0)
        self.pictures = 0  # seen
        # Another one, so that the first pictures' parts are the same however many follow.
        self.places = np.random.default_rng(1)

    def add(self, values: Array) -> None:
        """Keeps what is needed of one picture's values, of any shape, the same for all pictures."""
        self.pictures += 1
        place = self.pictures - 1
        if place >= MOST_PICTURES:
            place = int(self.places.integers(0, self.pictures))
            if place >= MOST_PICTURES:
                return
        flat = values.ravel()
        if flat.size > PER_PICTURE:
            self.weight = flat.size / PER_PICTURE
            part = flat[self.random.integers(0, flat.size, PER_PICTURE)]
            self.tails[place : place + 1] = [flat[(flat > part.max()) | (flat < part.min())]]
            flat = part
        self.parts[place : place + 1] = [flat]

    def clip(self, low: float, high: float, power: float = 2.0) -> tuple[float, float]:
        """The range within (low, high) of least error to a power; the end nearer to 0 is clipped last."""
        end = max(-low, high)
        ranges = [(max(low, -end * share), min(high, end * share)) for share in SHARES]
        return min(ranges, key=lambda limits: self.error(limits[0], limits[1], power))

    def error(self, low: float, high: float, power: float) -> float:
        """Sum of the errors of all values in the range, each to a power."""
        return self.weight * sum(_error(part, low, high, power) for part in self.parts) + sum(
            _error(tail, low, high, power) for tail in self.tails
        )


def _error(values: Array, low: float, high: float, power: float) -> float:
    return float((np.abs(values - quantise(values, low, high)) ** power).sum())


def quantise(values: Array, low: float, high: float) -> Array:
    """Values as INT8 holds them: 256 steps from ``low`` to ``high``, 0 among them."""
    return on_grid(values, *grid_of(low, high))


def grid_of(low: float, high: float) -> tuple[float, int]:
    """Step and zero point (-128..127) of a tensor with that range."""
    step = max((high - low) / (HIGH - LOW), 1e-9)
    return step, LOW - round(low / step)
