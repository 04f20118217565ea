"""Constant 1x1 convolutions, and rewriting a trained 1x1 convolution by a constant matrix."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from rknn_zoo_e2e.boards.soc import BLOCK
from rknn_zoo_e2e.vision.arrays import Array


def constant(matrix: Array, bias: Array | None = None) -> nn.Conv2d:
    """A 1x1 convolution computing ``matrix @ x + bias`` at every cell.

    Args:
        matrix: (out channels, in channels).
        bias: (out channels,), none by default.
    """
    matrix = np.asarray(matrix)
    conv = nn.Conv2d(matrix.shape[1], matrix.shape[0], 1, bias=bias is not None)
    conv.weight.data = torch.from_numpy(matrix.astype(np.float32))[:, :, None, None]
    if conv.bias is not None and bias is not None:
        conv.bias.data = torch.from_numpy(np.asarray(bias, np.float32))
    return conv.requires_grad_(False)


def padded(channels: int) -> int:
    """``channels`` rounded up to whole blocks of any NPU."""
    return -(-channels // BLOCK) * BLOCK


def fold(conv: nn.Conv2d, matrix: Array, bias: Array) -> nn.Conv2d:
    """``matrix @ conv(x) + bias`` as one convolution, with zero channels added up to a whole block.

    Args:
        conv: trained 1x1 convolution with C outputs.
        matrix: (out channels, C).
        bias: (out channels,).
    """
    weight = conv.weight.detach().double().numpy()[:, :, 0, 0]
    start = np.zeros(len(weight)) if conv.bias is None else conv.bias.detach().double().numpy()
    folded, offset = matrix @ weight, matrix @ start + bias
    extra = padded(len(folded)) - len(folded)
    return constant(np.pad(folded, ((0, extra), (0, 0))), np.pad(offset, (0, extra)))
