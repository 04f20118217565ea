"""Ultralytics' attention with a convolution each for queries, keys and values.

The stock block has one convolution for all three and splits its output. The values then lie between queries and keys of
two heads, and to make a map of them again rk3588, rv1103 and rv1106 need the CPU where the map's cells are not whole
eights, and more than 1024 of them are transposed there. Three convolutions compute the same, and read a fifth less.
"""

from __future__ import annotations

from torch import Tensor, nn

from rknn_zoo_e2e.heads.linear import constant
from rknn_zoo_e2e.heads.qkv import projections, shape_of


class SoftmaxAttention(nn.Module):
    """An Ultralytics ``Attention`` or ``AAttn`` rewritten: x (B, C, H, W) to (B, C', H, W), equal up to fp32 rounding.

    Args:
        attention: the trained block, fused or not.
    """

    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.shape = shape_of(attention)
        self.pe, self.proj = attention.pe, attention.proj
        self.q, self.k, self.v = (constant(w.reshape(-1, w.shape[-1]), b.ravel()) for w, b in projections(attention))

    def attended(self, *maps: Tensor) -> Tensor:
        """Queries, keys and values of one area, each (B, C, h, w), to what its cells make of them."""
        b, _, h, w = maps[0].shape
        q, k, v = (each.reshape(b, self.shape.heads, -1, h * w) for each in maps)
        weights = ((q * self.shape.scale).transpose(-2, -1) @ k).softmax(-1)
        return (v @ weights.transpose(-2, -1)).view(b, -1, h, w)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, H, W) to (B, C', H, W)."""
        values = self.v(x)
        attended = self.shape.by_area(self.attended, self.q(x), self.k(x), values)
        return self.proj(attended + self.pe(values))
