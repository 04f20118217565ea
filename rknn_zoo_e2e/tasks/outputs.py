"""What a model's outputs are, and whether those of a runtime are such."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rknn_zoo_e2e.vision.tensors import Quantized, Raw


@dataclass(frozen=True)
class Channels:
    """A run of channels of one kind in an output.

    Attributes:
        kind: box, scores, keypoints, coefficients, angle or prototypes.
        count: how many channels.
        coordinates: what the numbers mean.
    """

    kind: str
    count: int
    coordinates: str


@dataclass(frozen=True)
class Output:
    """One named output of the model: its channels in order."""

    name: str
    channels: tuple[Channels, ...]

    @property
    def count(self) -> int:
        """Channels of all kinds together."""
        return sum(c.count for c in self.channels)


def check_fit(outputs: Sequence[Raw], expected: Sequence[Output]) -> None:
    """Raises :class:`ValueError` where a runtime's outputs are not the expected ones: their number, shapes or types."""
    if len(outputs) != len(expected):
        raise ValueError(f"{len(outputs)} outputs, not {len(expected)}")
    for output, wanted in zip(outputs, expected, strict=True):
        values, kinds = (output.values, "iu") if isinstance(output, Quantized) else (output, "f")
        if not isinstance(values, np.ndarray) or values.dtype.kind not in kinds:
            raise ValueError(f"{wanted.name} of type {getattr(values, 'dtype', type(values).__name__)}")
        if values.ndim not in (3, 4) or values.shape[:2] != (1, wanted.count) or not values.size:
            raise ValueError(f"{wanted.name} of shape {values.shape}, not (1, {wanted.count}, ...)")
