"""Ultralytics' ``C2f`` and ``C3k2`` blocks with less to copy and to round.

The stock block splits its first convolution's output, adds each bottleneck's output to that bottleneck's input, and
concatenates all of these sums. The same number is had from the unsplit output and from what the bottlenecks add,
because the last convolution is linear: what it gives to a sum, it gives to each part of it. The last addition of each
block is gone then, which for INT8 is also one rounding less; every increment is rounded in its own, smaller range.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from ultralytics.nn.modules.block import Bottleneck, C2f

from rknn_zoo_e2e.heads.own import convolution, is_own, width


def widths(block: nn.Module) -> list[int]:
    """Channels of the parts a ``C2f`` concatenates; none where it is not known that the rewritten form does the same.

    They are those of the convolutions: pruning leaves the attribute ``c`` behind, which the forward never reads.
    """
    if not is_own(block):
        return []
    first, last = convolution(block.cv1), convolution(block.cv2)
    if first is None or last is None or last.groups != 1 or first.out_channels < 2:
        return []
    parts = [first.out_channels - first.out_channels // 2, first.out_channels // 2]  # as chunk(2) splits
    for module in block.m:
        given = width(module)
        if given is None or (adds(module) and not keeps_shape(module, parts[-1])):
            return []
        parts.append(given)
    return parts if sum(parts) == last.in_channels else []


def adds(module: nn.Module) -> bool:
    """Whether the module is a bottleneck that adds its input to what it computes."""
    return isinstance(module, Bottleneck) and bool(module.add)


def keeps_shape(bottleneck: nn.Module, channels: int) -> bool:
    """Whether what a bottleneck of Ultralytics adds to an input of so many channels has the input's shape."""
    first, last = convolution(bottleneck.cv1), convolution(bottleneck.cv2)
    if first is None or last is None or not first.in_channels == last.out_channels == channels:
        return False
    return all(keeps_size(conv) for conv in (first, last))


def keeps_size(conv: nn.Conv2d) -> bool:
    """Whether the map a convolution gives is as large as the one it reads."""
    reach = [d * (k - 1) for k, d in zip(conv.kernel_size, conv.dilation, strict=True)]
    return bool(conv.stride == (1, 1) and conv.padding == tuple(r / 2 for r in reach))


class Increments(nn.Module):
    """A ``C2f`` rewritten: x (B, C, H, W) to (B, C', H, W), equal up to fp32 rounding.

    Args:
        block: the trained block, fused or not, one that has :func:`widths`.
    """

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        sizes = widths(block)
        self.half, self.cv1, self.cv2 = sizes[0], block.cv1, copy.deepcopy(block.cv2)
        self.added = [adds(m) for m in block.m]
        self.m = nn.ModuleList(plain(m) if added else m for m, added in zip(block.m, self.added, strict=True))
        parts = list(self.cv2.conv.weight.detach().split(sizes, 1))
        for index in reversed(range(len(self.m))):
            if self.added[index]:  # part 0 is the half no bottleneck sees
                parts[index + 1] = parts[index + 1] + parts[index + 2]
        self.cv2.conv.weight.data = torch.cat(parts, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, H, W) to (B, C', H, W)."""
        whole = self.cv1(x)
        parts, state = [whole], whole[:, self.half :]
        for module, added in zip(self.m, self.added, strict=True):
            parts.append(module(state))
            state = state + parts[-1] if added else parts[-1]
        return self.cv2(torch.cat(parts, 1))


def plain(bottleneck: nn.Module) -> nn.Module:
    """The bottleneck, its convolutions shared, without the addition of its input."""
    one = copy.copy(bottleneck)
    one.add = False
    return one


def blocks(model: nn.Module) -> dict[str, nn.Module]:
    """The model's ``C2f`` modules, and those that only have other bottlenecks, by their path; changed ones are not."""
    return {path: module for path, module in model.named_modules() if isinstance(module, C2f) and widths(module)}
