"""Ultralytics' ``CBFuse`` (YOLOv9e) as additions.

The stock block stacks maps along a fifth dimension and sums over it. The NPU of rk3566 and rk3568 has no such sum: the
compiler reshapes the stack on the CPU, twice for each block.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from ultralytics.nn.modules.block import CBFuse


class Additions(nn.Module):
    """A ``CBFuse`` rewritten, equal to it.

    Args:
        block: which map of each input it takes.
    """

    def __init__(self, block: CBFuse) -> None:
        super().__init__()
        self.idx = list(block.idx)

    def forward(self, inputs: Sequence[Any]) -> Tensor:
        """Maps (B, C, H, W), each as large as the last one of the inputs, and that one itself, to their sum."""
        *others, target = inputs
        size = target.shape[2:]
        scaled = [
            nn.functional.interpolate(maps[index], size=size, mode="nearest")
            for maps, index in zip(others, self.idx, strict=False)  # as the block itself: it may have more
        ]
        return reduce(torch.add, [*scaled, target])


def fusions(model: nn.Module) -> dict[str, CBFuse]:
    """The model's ``CBFuse`` modules by their path; derived ones are not, they may do something else."""
    return {path: module for path, module in model.named_modules() if type(module) is CBFuse}
