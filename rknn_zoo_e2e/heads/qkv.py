"""What Ultralytics' blocks of attention are made of: heads, areas, and one convolution for queries, keys and values.

In ``Attention`` (YOLOv10, YOLO11, YOLO26) every cell of the map attends to every other. ``AAttn`` (YOLO12) cuts the
map's cells, row by row, into areas of one size, and a cell attends to those of its own area.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from ultralytics.nn.modules.block import AAttn, Attention

from rknn_zoo_e2e.heads.own import convolution, is_own
from rknn_zoo_e2e.vision.arrays import Array


@dataclass(frozen=True)
class Shape:
    """The shape of one block of attention.

    Attributes:
        heads: how many there are.
        key: channels of a head's queries, and of its keys.
        head: channels of a head's values.
        scale: of the logits.
        areas: parts of the map that attend to themselves alone.
        multiple: of cells an area has to have for rk3566 to leave no transposition to the CPU, as builds showed.
    """

    heads: int
    key: int
    head: int
    scale: float
    areas: int = 1
    multiple: int = 4

    def area(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of the map one area is: whole rows where an area has such, else a column of its cells."""
        if height % self.areas == 0:
            return height // self.areas, width
        return height * width // self.areas, 1

    def by_area(self, function: Callable[..., Tensor], *maps: Tensor) -> Tensor:
        """What a function makes of each area's part of the maps (B, C, H, W), as one map (B, C', H, W)."""
        if self.areas == 1:
            return function(*maps)
        height, width = maps[0].shape[-2:]
        _, columns = self.area(height, width)
        parts = (each.reshape(*each.shape[:2], -1, columns).chunk(self.areas, 2) for each in maps)
        whole = torch.cat([function(*area) for area in zip(*parts, strict=True)], 2)
        return whole.reshape(*whole.shape[:2], height, width)


# By the exact class: what is derived from one of these may compute anything.
SHAPES: dict[type[nn.Module], Callable[[nn.Module], Shape]] = {
    Attention: lambda block: Shape(int(block.num_heads), int(block.key_dim), int(block.head_dim), float(block.scale)),
    AAttn: lambda block: Shape(
        int(block.num_heads),
        int(block.head_dim),
        int(block.head_dim),
        float(block.head_dim**-0.5),
        areas=max(1, int(block.area)),
        multiple=8,
    ),
}


def shape_of(attention: nn.Module) -> Shape:
    """The shape of a block of one of the classes that are known."""
    return SHAPES[type(attention)](attention)


def attentions(model: nn.Module) -> dict[str, nn.Module]:
    """The model's attention modules that are known to compute what they are rewritten to, by their path."""
    return {path: m for path, m in model.named_modules() if type(m) in SHAPES and is_known(m)}


def is_known(attention: nn.Module) -> bool:
    """Whether the block is Ultralytics' own and its convolutions are what its attributes say."""
    if not is_own(attention):
        return False
    qkv, proj, pe = (convolution(module) for module in (attention.qkv, attention.proj, attention.pe))
    if qkv is None or proj is None or pe is None:
        return False
    shape = shape_of(attention)
    channels = shape.heads * shape.head
    linear = all(type(module.act) is nn.Identity for module in (attention.qkv, attention.proj, attention.pe))
    wanted = (channels, channels + 2 * shape.heads * shape.key, channels)
    fits = (qkv.in_channels, qkv.out_channels, proj.in_channels) == wanted
    return linear and fits and is_pointwise(qkv) and is_pointwise(proj) and is_depthwise(pe, channels)


def is_pointwise(conv: nn.Conv2d) -> bool:
    """Whether it is a plain 1x1 convolution, of all channels."""
    return (conv.kernel_size, conv.stride, conv.padding, conv.groups) == ((1, 1), (1, 1), (0, 0), 1)


def is_depthwise(conv: nn.Conv2d, channels: int) -> bool:
    """Whether it is one square filter a channel, of odd side, that keeps the map's size."""
    side = conv.kernel_size[0]
    same = (conv.kernel_size, conv.padding, conv.stride) == ((side, side), (side // 2, side // 2), (1, 1))
    alone = conv.in_channels == conv.out_channels == conv.groups == channels
    return same and alone and side % 2 == 1 and conv.dilation == (1, 1) and conv.padding_mode == "zeros"


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
    shape = shape_of(attention)
    weight, bias = folded(attention.qkv)
    cuts = [shape.key, 2 * shape.key]
    parts = (np.split(a.reshape(shape.heads, -1, *a.shape[1:2]), cuts, 1) for a in (weight[:, :, 0, 0], bias))
    return list(zip(*parts, strict=True))
