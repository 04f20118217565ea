"""One branch of a YOLO head (boxes, classes, key points, ...) over all pyramid levels, laid on the common grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rknn_zoo_e2e.heads.boundary import LEAVES, Boundary
from rknn_zoo_e2e.heads.grid import Grid
from rknn_zoo_e2e.heads.linear import fold
from rknn_zoo_e2e.vision.arrays import Array


def branches_of(head: nn.Module) -> dict[str, Any]:
    """A trained head's branches that are decoded, by Ultralytics' names, each one module a level."""
    found: dict[str, Any] = head.one2one if head.end2end else head.one2many
    return found


def split_last(sequences: Sequence[nn.Sequential]) -> tuple[list[nn.Module], list[nn.Conv2d]]:
    """Ultralytics' ``nn.Sequential(stem..., Conv2d)`` of each level to (stems, last convolutions)."""
    return [s[:-1] for s in sequences], [s[-1] for s in sequences]


def leaves(branch: str, level: int) -> Boundary:
    """Where one level of a branch leaves INT8."""
    return Boundary(LEAVES, f"{branch}.{level}")


class Branch(nn.Module):
    """The last 1x1 convolution of each level, rewritten as ``matrix @ conv + bias``, then all levels on one grid.

    The input of each of these convolutions is where the branch leaves INT8, unless it did before
    (:mod:`~rknn_zoo_e2e.heads.boundary`).

    Args:
        name: of the branch; two that leave INT8 at the same tensors have the same.
        last: trained convolution of each level.
        matrix: of each level (out channels, channels of the convolution), the identity by default.
        bias: of each level (out channels,), zero by default.
        activation: applied per level, so that the compiler fuses it with the convolution.
    """

    def __init__(
        self,
        name: str,
        last: Sequence[nn.Conv2d],
        grid: Grid,
        matrix: Sequence[Array] | None = None,
        bias: Sequence[Array] | None = None,
        activation: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.grid, self.activation = grid, activation
        matrices = matrix or [np.eye(conv.out_channels) for conv in last]
        biases = bias or [np.zeros(len(m)) for m in matrices]
        self.channels = len(matrices[0])
        self.last = nn.ModuleList(fold(c, m, b) for c, m, b in zip(last, matrices, biases, strict=True))
        self.leaves = nn.ModuleList(leaves(name, level) for level in range(len(last)))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Stem outputs (1, C, h, w) of each level to (1, channels, grid height, grid width)."""
        maps = []
        for x, leaves, last, rows in zip(features, self.leaves, self.last, self.grid.rows, strict=True):
            y = last(leaves(x))
            if self.activation is not None:
                y = self.activation(y)
            maps.append(y.reshape(1, y.shape[1], rows, self.grid.width))
        y = torch.cat(maps, 2)
        return y if y.shape[1] == self.channels else y[:, : self.channels]


class StemmedBranch(nn.Module):
    """A :class:`Branch` after its trained stems."""

    def __init__(self, name: str, sequences: Sequence[nn.Sequential], grid: Grid, **kwargs: Any) -> None:
        super().__init__()
        stems, last = split_last(sequences)
        self.stems, self.branch = nn.ModuleList(stems), Branch(name, last, grid, **kwargs)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Feature maps (1, C, h, w) of each level to (1, channels, grid height, grid width)."""
        return self.branch([stem(x) for stem, x in zip(self.stems, features, strict=True)])
