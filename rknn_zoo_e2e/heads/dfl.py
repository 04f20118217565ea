"""Distribution focal loss decoding without exponentials.

Ultralytics decodes each box side as the mean of a softmax over ``bins`` logits. Softmax and Exp run on the CPU of some
SoCs, so the same number is computed by a pairwise tree of operators that every NPU has. A node keeps the log-sum-exp L
and the mean m of its leaves; merging node a into b, with d = La - Lb:

    m = mb + sigmoid(d) * (ma - mb)        L = Lb + softplus(d)

Both are exact: sigmoid(d) is a's share of the probability and softplus(d) = log(1 + exp(d)).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rknn_zoo_e2e.heads.linear import constant

SIDES = 4  # left, top, right, bottom
NEVER = -30.0  # logit of a padding bin: exp(-30) of the others' weight, and small enough for fp16 and int16


def halves(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """(difference, lower) matrices, each (SIDES * nodes / 2, SIDES * nodes): pair (2k, 2k+1) to a - b and to b."""
    odd = np.kron(np.eye(SIDES * nodes // 2), [[0.0, 1.0]])
    even = np.kron(np.eye(SIDES * nodes // 2), [[1.0, 0.0]])
    return odd - even, even


class TreeDFL(nn.Module):
    """Mean of the softmax over ``bins`` logits for four sides.

    The first level's pair differences are linear in the logits: ``matrix`` and ``bias`` are to be folded into the
    convolution that makes the logits, whose output (1, SIDES * leaves, H, W) this module takes.
    """

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.depth = max(1, int(np.ceil(np.log2(bins))))
        leaves = 2**self.depth
        pad = np.kron(np.eye(SIDES), np.eye(leaves, bins))
        never = np.tile(np.where(np.arange(leaves) < bins, 0.0, NEVER), SIDES)
        first = np.concatenate(halves(leaves))
        self.matrix, self.bias = first @ pad, first @ never
        self.log_sums, self.means = nn.ModuleList(), nn.ModuleList()
        for level in range(1, self.depth):
            nodes = leaves >> level
            both = np.concatenate(halves(nodes))
            # The first level's means are 2k + sigmoid(d); the 2k goes into this bias.
            base = both @ np.tile(2.0 * np.arange(nodes), SIDES) if level == 1 else None
            self.means.append(constant(both, base))
            # The root's own log-sum-exp is never asked for.
            self.log_sums.append(constant(both if level < self.depth - 1 else halves(nodes)[0]))

    def forward(self, x: Tensor) -> Tensor:
        """Pair differences and lower logits (1, SIDES * leaves, H, W) to ltrb distances (1, 4, H, W) in cells."""
        difference, low = x.chunk(2, 1)
        mean = share = difference.sigmoid()
        for level in range(self.depth - 1):
            total = low + F.softplus(difference)
            delta, base = self.means[level](mean).chunk(2, 1)
            difference = self.log_sums[level](total)
            if level < self.depth - 2:
                difference, low = difference.chunk(2, 1)
            share = difference.sigmoid()
            mean = base + share * delta
        return mean


def softmax_mean(logits: Tensor, bins: int) -> Tensor:
    """Ultralytics' own DFL, for comparison: logits (1, 4 * bins, H, W) to distances (1, 4, H, W)."""
    b, _, h, w = logits.shape
    weights = torch.arange(bins, dtype=logits.dtype).view(1, 1, bins, 1, 1)
    return (logits.view(b, SIDES, bins, h, w).softmax(2) * weights).sum(2)
