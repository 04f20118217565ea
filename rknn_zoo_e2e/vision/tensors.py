"""A model's outputs as a runtime hands them over: float32, or as the NPU keeps them, fp16 or INT8.

What nobody asks :func:`ceiling`, :func:`part` or :func:`real` for stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Quantized:
    """An INT8 output, ``(values - zero_point) * scale`` in real numbers (the vendor's affine asymmetric).

    Attributes:
        values: int8 or uint8, any shape.
    """

    values: np.ndarray
    scale: float
    zero_point: int

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    def reshape(self, *shape: int) -> Quantized:
        return replace(self, values=self.values.reshape(*shape))

    def take(self, index: np.ndarray, axis: int) -> Quantized:
        return replace(self, values=self.values.take(index, axis))

    def max(self, axis: int) -> Quantized:
        return replace(self, values=self.values.max(axis))

    def __getitem__(self, index: Any) -> Quantized:
        return replace(self, values=self.values[index])


Raw = np.ndarray | Quantized  # an output: (1, C, A) or (1, C, H, W)
NOT_FINITE = "values that are not finite numbers"


def real(output: Raw) -> np.ndarray:
    """The whole of ``output`` in float32."""
    if isinstance(output, Quantized):
        return (output.values.astype(np.float32) - output.zero_point) * np.float32(output.scale)
    return output.astype(np.float32, copy=False)


def part(output: Raw, first: int, last: int, anchors: np.ndarray) -> np.ndarray:
    """Channels ``first`` to ``last - 1`` of some anchors, (channels, N) float32.

    Args:
        output: (C, A).
    """
    return real(output[first:last].take(anchors, 1))


def ceiling(output: Raw, first: int, last: int, by_product: bool = False) -> np.ndarray:
    """A bound of channels ``first`` to ``last - 1`` at each anchor, (A,) float32: the largest of them or more.

    They are sigmoids, never negative, so their sum bounds them; a matrix product gives it in 0.6 of the time of the
    maximum. Where a sum is negative or no number they are something else, and the maximum is taken after all.

    Args:
        output: (C, A).
        by_product: take the sum where it serves. BLAS must use one thread, or others spin while they wait for work.

    Raises:
        FloatingPointError: one is NaN; infinite ones may still be among the scores of anchors over any threshold.
    """
    if by_product and last - first > 1 and isinstance(output, np.ndarray) and output.dtype == np.float32:
        total = np.dot(ones(last - first), output[first:last])
        if least(total) >= 0:
            return total
    return below(highest(output, first, last), np.inf, NOT_FINITE)


@cache
def ones(count: int) -> np.ndarray:
    return np.ones(count, np.float32)


def highest(output: Raw, first: int, last: int) -> np.ndarray:
    """The largest of channels ``first`` to ``last - 1`` at each anchor, (A,) float32; NaN where one of them is.

    Args:
        output: (C, A).
    """
    scores = output[first:last]
    if isinstance(scores, Quantized) or scores.dtype != np.float16:
        return real(scores.max(0))
    # numpy compares halves slowly. Without a sign they are in the order of their bits; NaN comes out on top.
    bits = scores.view(np.uint16).max(0)
    return real(bits.view(np.float16) if bits.max(initial=0) < 0x8000 else scores.max(0))


def greatest(values: np.ndarray) -> float:
    """NaN where one is, -inf of none. Of few values it takes a third of ``max``'s time, as does :func:`least`."""
    return values.item(values.argmax()) if values.size else -np.inf


def least(values: np.ndarray) -> float:
    """NaN where one is, inf of none."""
    return values.item(values.argmin()) if values.size else np.inf


def below(values: np.ndarray, limit: float, what: str) -> np.ndarray:
    """The values themselves. Raises :class:`FloatingPointError` where one is no number, or not below ``limit``."""
    if (top := greatest(values)) < limit:
        return values
    raise FloatingPointError(what if np.isfinite(top) else NOT_FINITE)


def finite(values: np.ndarray) -> np.ndarray:
    """The values themselves. Raises :class:`FloatingPointError` where one is no number or infinite."""
    if not np.isfinite(values).all():
        raise FloatingPointError(NOT_FINITE)
    return values
