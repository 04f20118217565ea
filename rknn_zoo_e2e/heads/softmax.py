"""Ultralytics' attention with a convolution each for queries, keys and values.

The stock block has one convolution for all three and splits its output. The values then lie between queries and keys of
two heads, and to make a map of them again rk3588, rv1103 and rv1106 need the CPU where the map's cells are not whole
eights, and more than 1024 of them are transposed there. Three convolutions compute the same, and read a fifth less.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from rknn_zoo_e2e.heads.linear import constant
from rknn_zoo_e2e.vision.arrays import Array


def folded(module: nn.Module) -> tuple[Array, Array]:
    """Weight (out, in / groups, kh, kw) and bias (out,) of an Ultralytics ``Conv`` without activation, fused or not."""
    conv = module.conv
    weight = conv.weight.detach().double().numpy()
    bias = np.zeros(len(weight)) if conv.bias is None else conv.bias.detach().double().numpy()
    bn = getattr(module, "bn", None)
    if isinstance(bn, nn.BatchNorm2d):
        assert bn.running_mean is not None and bn.running_var is not None
        gain = (bn.weight.detach().double() / (bn.running_var.double() + bn.eps).sqrt()).numpy()
        weight = weight * gain[:, None, None, None]
        bias = (bias - bn.running_mean.double().numpy()) * gain + bn.bias.detach().double().numpy()
    return weight, bias


def projections(attention: nn.Module) -> list[tuple[Array, Array]]:
    """Weights (heads, channels of a head, in) and biases (heads, channels of a head) of queries, keys and values."""
    heads, key = int(attention.num_heads), int(attention.key_dim)
    weight, bias = folded(attention.qkv)
    parts = (np.split(a.reshape(heads, -1, *a.shape[1:2]), [key, 2 * key], 1) for a in (weight[:, :, 0, 0], bias))
    return list(zip(*parts, strict=True))


class SoftmaxAttention(nn.Module):
    """An Ultralytics ``Attention`` rewritten: x (B, C, H, W) to (B, C', H, W), equal up to fp32 rounding.

    Args:
        attention: the trained block, fused or not.
    """

    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.heads, self.scale = int(attention.num_heads), float(attention.scale)
        self.pe, self.proj = attention.pe, attention.proj
        self.q, self.k, self.v = (constant(w.reshape(-1, w.shape[-1]), b.ravel()) for w, b in projections(attention))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, H, W) to (B, C', H, W)."""
        b, c, h, w = x.shape
        values = self.v(x)
        q, k, v = (maps.view(b, self.heads, -1, h * w) for maps in (self.q(x), self.k(x), values))
        weights = ((q * self.scale).transpose(-2, -1) @ k).softmax(-1)
        return self.proj((v @ weights.transpose(-2, -1)).view(b, c, h, w) + self.pe(values))
