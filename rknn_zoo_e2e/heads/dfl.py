"""Distribution focal loss decoding without exponentials and divisions, for NPUs that compute in integers.

Ultralytics decodes each box side as the mean of a softmax over ``bins`` logits. Exp and Div run on the CPU of these
SoCs, so the same number is computed by a pairwise tree of operators that every NPU has (those with fp16 have a shorter
way: :mod:`~rknn_zoo_e2e.heads.quotient`). A node keeps the log-sum-exp L
of its leaves and their mean m, counted from its first leaf; merging an even node e (of n leaves) and its odd
neighbour o, with d = Lo - Le:

    L = Le + softplus(d)        m = me + sigmoid(d) * (n + mo - me)

Both are exact: sigmoid(d) is o's share of the probability and softplus(d) = log(1 + exp(d)).
"""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F

from rknn_zoo_e2e.heads.linear import constant

SIDES = 4  # left, top, right, bottom
PADDING_LOGIT = -30.0  # logit of a padding bin: exp(-30) of the others' weight, and small enough for fp16 and int16


def bit_reversed(bits: int) -> list[int]:
    """The numbers below 2^bits, even ones first, and so on within each half: the halves of a level are its pairs."""
    order = [0]
    for _ in range(bits):
        order = [2 * i for i in order] + [2 * i + 1 for i in order]
    return order


class TreeDFL(nn.Module):
    """Mean of the softmax over ``bins`` logits for four sides.

    The first level's differences are linear in the logits: ``matrix`` and ``bias`` are to be folded into the
    convolution that makes the logits, whose output (1, SIDES * leaves, H, W) this module takes. Its channels are
    ordered so that every level splits into its even and its odd nodes, which elementwise operators merge. From the
    third level on, convolutions fused with the product and the sum are cheaper than a split of the means.
    """

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.depth = max(1, int(np.ceil(np.log2(bins))))
        leaves = 2**self.depth
        pad = np.kron(np.eye(SIDES), np.eye(leaves, bins))
        never = np.tile(np.where(np.arange(leaves) < bins, 0.0, PADDING_LOGIT), SIDES)
        even = np.zeros((SIDES * leaves // 2, SIDES * leaves))
        odd = even.copy()
        for index, pair in enumerate(bit_reversed(self.depth - 1)):
            for side in range(SIDES):
                even[SIDES * index + side, leaves * side + 2 * pair] = 1
                odd[SIDES * index + side, leaves * side + 2 * pair + 1] = 1
        first = np.concatenate([odd - even, even])
        self.matrix, self.bias = first @ pad, first @ never
        quarter = np.eye(SIDES * leaves // 4)
        self.step = constant(-quarter, np.full(len(quarter), 2.0))  # the sum with its neighbour fuses with it
        self.steps, self.evens = nn.ModuleList(), nn.ModuleList()
        for level in range(3, self.depth + 1):
            half = np.eye(SIDES * leaves >> level)
            difference = np.hstack([-half, half])
            self.steps.append(constant(difference, np.full(len(half), 2.0 ** (level - 1))))
            self.evens.append(constant(np.hstack([half, np.zeros_like(half)])))
        # The root's own log-sum-exp is never asked for, and four channels are no whole block to split off.
        self.final = constant(np.hstack([-np.eye(SIDES), np.eye(SIDES)]))

    def forward(self, x: Tensor) -> Tensor:
        """Pair differences and even logits (1, SIDES * leaves, H, W) to ltrb distances (1, 4, H, W) in cells."""
        if self.depth == 1:
            return x[:, :SIDES].sigmoid()
        even, odd, low_even, low_odd = x.chunk(4, 1)
        mean_even, mean_odd = even.sigmoid(), odd.sigmoid()
        low, high = low_even + F.softplus(even), low_odd + F.softplus(odd)
        difference = high - low
        mean = mean_even + difference.sigmoid() * (self.step(mean_even) + mean_odd)
        for level, (step, base) in enumerate(zip(self.steps, self.evens, strict=True), 3):
            total = low + F.softplus(difference)
            if level < self.depth:
                low, high = total.chunk(2, 1)
                difference = high - low
            else:
                difference = self.final(total)
            mean = base(mean) + step(mean) * difference.sigmoid()
        return mean
