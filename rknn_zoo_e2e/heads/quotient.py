"""Distribution focal loss decoding as a quotient of two sums, for NPUs that compute in fp16.

The mean of a softmax over bins i with logits x is ``sum(i * w) / sum(w)`` with ``w = exp(x - max x)``. Exp runs on the
CPU of every SoC, but ``elu(t) = exp(t) - 1`` for t <= 0 does not: the ones go into the biases of the two sums, which
are one constant convolution. These are 15 operators, which read a fifth less than the 24 of the tree
(:mod:`~rknn_zoo_e2e.heads.dfl`); but only in fp16 is the division the NPU's.

Near -1 one fp16 step of elu is 5e-4 of the largest weight. The tree's boxes are 0.10 px off in fp16, these 0.11 px
(yolov8n, root mean square of 640 px, in the vendor's simulator).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rknn_zoo_e2e.heads.dfl import SIDES
from rknn_zoo_e2e.heads.linear import constant


class QuotientDFL(nn.Module):
    """Mean of the softmax over ``bins`` logits for four sides, like :class:`~rknn_zoo_e2e.heads.dfl.TreeDFL`.

    ``matrix`` and ``bias`` are to be folded into the convolution that makes the logits: they only put the sides of two
    bins side by side, as one block of fp16 channels. The maximum of all blocks is that of the even and of the odd bins,
    and with its halves exchanged, of both.
    """

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.blocks = 2 ** max(0, int(np.ceil(np.log2(bins))) - 1)
        sides, bin_of = np.eye(SIDES), np.arange(2 * self.blocks)
        real = bin_of < bins  # the others repeat bin 0 for the maximum and have no weight
        self.matrix = np.concatenate([np.kron(sides, row) for row in np.eye(bins)[np.where(real, bin_of, 0)]])
        self.bias = np.zeros(len(self.matrix))
        self.exchange = constant(np.kron([[0, 1], [1, 0]], sides))
        self.subtract = constant(np.kron(np.ones((self.blocks, 1)), -np.eye(2 * SIDES)))
        sums = np.array([bin_of * real, real], float)
        self.sums = constant(np.kron(sums, sides), sums.sum(1).repeat(SIDES))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (1, 2 * SIDES * blocks, H, W) to ltrb distances (1, 4, H, W) in cells."""
        largest = list(x.chunk(self.blocks, 1))
        while len(largest) > 1:
            largest = [torch.maximum(*pair) for pair in zip(largest[::2], largest[1::2], strict=True)]
        most = torch.maximum(largest[0], self.exchange(largest[0]))
        weighted, total = self.sums(F.elu(self.subtract(most) + x)).chunk(2, 1)
        return weighted / total
