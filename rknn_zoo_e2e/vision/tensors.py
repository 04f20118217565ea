"""A model's output tensors as a runtime returns them: float32, or fp16 or INT8 as the NPU keeps them.

The decoders of :mod:`rknn_zoo_e2e.tasks` convert only the values they need to float32, through the functions here. The
runtimes in Python return float32; INT8 and fp16 are for a runtime that reads the NPU's memory directly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from rknn_zoo_e2e.vision.arrays import Array, Floats, Indices


@dataclass(frozen=True)
class Quantized:
    """An INT8 output, ``(values - zero_point) * scale`` in real numbers (the vendor's affine asymmetric).

    Attributes:
        values: int8 or uint8, any shape.
    """

    values: Array
    scale: float
    zero_point: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the values."""
        return self.values.shape

    def reshape(self, *shape: int) -> Quantized:
        """The same values in another shape."""
        return replace(self, values=self.values.reshape(*shape))

    def take(self, index: Indices, axis: int) -> Quantized:
        """The values at ``index`` along an axis."""
        return replace(self, values=self.values.take(index, axis))

    def max(self, axis: int) -> Quantized:
        """The largest along an axis: its order is that of the real numbers, as the scale is positive."""
        return replace(self, values=self.values.max(axis))

    def __getitem__(self, index: Any) -> Quantized:
        return replace(self, values=self.values[index])


Raw = Array | Quantized  # one output of a model: (1, C, A) or (1, C, H, W)
NOT_FINITE = "values that are not finite numbers"


def real(output: Raw) -> Floats:
    """All values of ``output``, of the same shape, as float32."""
    if isinstance(output, Quantized):
        return (output.values.astype(np.float32) - output.zero_point) * np.float32(output.scale)
    return output.astype(np.float32, copy=False)


def part(output: Raw, first: int, last: int, anchors: Indices) -> Floats:
    """Channels ``first`` to ``last - 1`` of some anchors, (channels, N) float32.

    Args:
        output: (C, A).
    """
    return real(output[first:last].take(anchors, 1))


def ceiling(output: Raw, first: int, last: int, by_product: bool = False) -> Floats:
    """An upper bound of channels ``first`` to ``last - 1`` at each anchor, (A,) float32.

    Used to skip anchors whose class scores cannot reach the threshold, before their exact maximum is computed.

    Scores are sigmoids, never negative, so their sum is a bound; a matrix product computes it in 0.6 of the time of the
    maximum. If a sum is negative or NaN the values are no sigmoids, and the maximum is computed instead.

    Args:
        output: (C, A).
        by_product: take the sum where it serves. BLAS must use one thread, or others spin while they wait for work.

    Raises:
        FloatingPointError: a score is NaN. Infinite ones are found later, where anchors above the threshold are read.
    """
    if by_product and last - first > 1 and isinstance(output, np.ndarray) and output.dtype == np.float32:
        total: Floats = np.dot(ones(last - first), output[first:last])
        if least(total) >= 0:
            return total
    return below(highest(output, first, last), np.inf, NOT_FINITE)


@cache
def ones(count: int) -> Floats:
    """(count,) float32, made once."""
    return np.ones(count, np.float32)


def highest(output: Raw, first: int, last: int) -> Floats:
    """The maximum of channels ``first`` to ``last - 1`` at each anchor, (A,) float32; NaN where one of them is NaN.

    Args:
        output: (C, A).
    """
    scores = output[first:last]
    if isinstance(scores, Quantized) or scores.dtype != np.float16:
        return real(scores.max(0))
    # numpy compares fp16 slowly. Positive fp16 values have the order of their bits as integers; NaN is the largest.
    bits = scores.view(np.uint16).max(0)
    return real(bits.view(np.float16) if bits.max(initial=0) < 0x8000 else scores.max(0))


def greatest(values: Floats) -> float:
    """The maximum: NaN if one value is NaN, -inf if there is none. On few values three times as fast as ``max``."""
    return values.item(values.argmax()) if values.size else -np.inf


def least(values: Floats) -> float:
    """The minimum: NaN if one value is NaN, inf if there is none. On few values three times as fast as ``min``."""
    return values.item(values.argmin()) if values.size else np.inf


def below(values: Floats, limit: float, what: str) -> Floats:
    """Returns ``values``. Raises :class:`FloatingPointError` (``what``) if one is NaN or not below ``limit``."""
    if (top := greatest(values)) < limit:
        return values
    raise FloatingPointError(what if np.isfinite(top) else NOT_FINITE)


def finite(values: Floats) -> Floats:
    """Returns ``values``. Raises :class:`FloatingPointError` if one is NaN or infinite."""
    if not np.isfinite(values).all():
        raise FloatingPointError(NOT_FINITE)
    return values
