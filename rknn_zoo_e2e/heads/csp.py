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


class Increments(nn.Module):
    """A ``C2f`` rewritten: x (B, C, H, W) to (B, C', H, W), equal up to fp32 rounding.

    Args:
        block: the trained block, fused or not.
    """

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.hidden, self.cv1, self.cv2 = int(block.c), block.cv1, copy.deepcopy(block.cv2)
        self.added = [isinstance(m, Bottleneck) and m.add for m in block.m]
        self.m = nn.ModuleList(plain(m) if added else m for m, added in zip(block.m, self.added, strict=True))
        parts = list(self.cv2.conv.weight.detach().split(self.hidden, 1))
        for index in reversed(range(len(self.m))):
            if self.added[index]:  # part 0 is the half no bottleneck sees
                parts[index + 1] = parts[index + 1] + parts[index + 2]
        self.cv2.conv.weight.data = torch.cat(parts, 1)

    def forward(self, x: Tensor) -> Tensor:
        whole = self.cv1(x)
        parts, state = [whole], whole[:, self.hidden :]
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
    """The model's ``C2f`` modules, and those that only have other bottlenecks, by their path."""
    return {path: m for path, m in model.named_modules() if isinstance(m, C2f) and type(m).forward is C2f.forward}
