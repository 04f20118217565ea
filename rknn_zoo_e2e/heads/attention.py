"""Ultralytics' attention without a Softmax, with the operators every NPU has.

The stock block computes softmax(q^T k) over the keys. Softmax, Exp and ReduceMax run on the CPU of rk3566 and rk3568.
The same number is had from a quotient of two sums, whose weights are

    w = exp(s - max s) = (elu((s - max s) / 2) + 1)^2        out = sum(w * v) / sum(w)

because elu(x) = exp(x) - 1 for x <= 0. The square keeps the small weights: elu is near -1 there, and one fp16 step of
it would be 5e-4 of the largest weight; squared, the step shrinks with the weight's root. On activations of the COCO
checkpoints the result is as near to fp32 as an fp16 softmax (rms 4e-4 both).

Layouts are chosen so that no large tensor is transposed, with n = H * W, per head:

* the product with v contracts over channels, so the weights are made with the keys on channels (n keys, 1, n queries);
* the maximum over the keys is a MaxPool, which needs the keys along the width: a second, equal product with the
  queries on channels (n queries, 1, n keys) serves it alone;
* the maxima are subtracted by the product: rows of them under q meet constant channels beside k, -1 in all;
* sum(w) comes out of the product with v as more channels, where v's convolution gives a constant;
* a map whose cells are not whole fours (of areas: eights), which some NPUs transpose on the CPU, has its first rows
  again below: they change no maximum, and as keys they count for nothing, for v is 0 there.

What is added comes in blocks of channels, as the NPU keeps them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rknn_zoo_e2e.boards.soc import BLOCK
from rknn_zoo_e2e.heads.linear import constant
from rknn_zoo_e2e.heads.qkv import attentions, folded, projections, shape_of
from rknn_zoo_e2e.vision.arrays import Array

# Channels that any NPU keeps together in fp16: of rk3566's own four, builds transpose some areas on the CPU.
FP16_BLOCK = BLOCK // 2
# v is scaled by this power of two until the quotient, so that the sums over all keys stay far below fp16's 65504.
SCALE = 1 / 16
# sum(w) * SCALE is at least about SCALE. Only where fp16's steps of the logits are 32 (logits beyond 60000) can all w
# vanish; then this keeps 0 / 0 away.
MIN_WEIGHT = 2.0**-13
WIDEST_POOL = 8  # the widest MaxPool window used


def pooling(length: int) -> list[tuple[int, int]]:
    """(window, step) of successive MaxPools that take the maximum of ``length`` values without padding.

    Windows overlap where the length is not a multiple of the step: 361 by 5 takes windows of 6.
    """
    steps = []
    while length > 1:
        if length <= WIDEST_POOL:
            window = step = length
        else:
            fits = [(s + (length - s) % s, s) for s in range(WIDEST_POOL, 1, -1)]
            window, step = next((w, s) for w, s in fits if w <= WIDEST_POOL)
        steps.append((window, step))
        length = (length - window) // step + 1
    return steps


def spare_rows(height: int, width: int, multiple: int) -> int:
    """Rows to add to a map so that its cells are a multiple; none where it has not that many rows to repeat."""
    rows = next(rows for rows in range(multiple) if (height + rows) * width % multiple == 0)
    return rows if rows <= height else 0


def widened(heads: Array, value: float = 0.0) -> Array:
    """(heads, channels, ...) with one block of channels of ``value`` added to each head; flattened."""
    extra = np.full((heads.shape[0], FP16_BLOCK, *heads.shape[2:]), value)
    wide: Array = np.concatenate([heads, extra], 1)
    return wide.reshape(-1, *heads.shape[2:])


class NpuAttention(nn.Module):
    """An Ultralytics ``Attention`` or ``AAttn`` rewritten: x (B, C, H, W) to (B, C, H, W), equal in fp32 to 1e-4.

    Args:
        attention: the trained block, fused or not.
        size: (H, W) of the maps it will see.
    """

    def __init__(self, attention: nn.Module, size: tuple[int, int]) -> None:
        super().__init__()
        self.shape = shape = shape_of(attention)
        heads, key, head = shape.heads, shape.key, shape.head
        self.heads, self.key, self.head, self.wide = heads, key, head, head + FP16_BLOCK
        rows, width = shape.area(*size)
        self.spare = spare_rows(rows, width, shape.multiple)
        self.cells = (rows + self.spare) * width
        self.pooling = pooling(self.cells)

        (wq, bq), (wk, bk), (wv, bv) = projections(attention)
        half = shape.scale / 2  # the square's half
        self.q = constant((wq * half).reshape(heads * key, -1), (bq * half).ravel())
        # -1 spread over the block: a 0 among them would make NaN of an infinite maximum.
        self.k = constant(widened(wk), widened(bk, -1 / FP16_BLOCK))
        self.v = constant(widened(wv * SCALE), widened(bv * SCALE, SCALE))

        weight, bias = folded(attention.pe)
        side = weight.shape[-1]
        channels = heads * self.wide
        self.pe = nn.Conv2d(channels, channels, side, padding=side // 2, groups=channels).requires_grad_(False)
        assert self.pe.bias is not None
        spread = widened(weight.reshape(heads, head, 1, side, side) / SCALE)
        self.pe.weight.data = torch.from_numpy(spread.astype(np.float32))
        self.pe.bias.data = torch.from_numpy(widened(bias.reshape(heads, head)).astype(np.float32))

        # No weight on the channels added to v.
        weight, bias = folded(attention.proj)
        columns = weight[:, :, 0, 0].reshape(-1, heads, head)
        self.proj = constant(np.pad(columns, ((0, 0), (0, 0), (0, FP16_BLOCK))).reshape(-1, channels), bias)

    def largest(self, q: Tensor, k: Tensor) -> Tensor:
        """Every query's largest logit, in ``FP16_BLOCK`` equal rows: (B * heads, FP16_BLOCK, n)."""
        logits = (q.transpose(-2, -1) @ k).view(-1, self.cells, 1, self.cells)
        for window, step in self.pooling:
            logits = F.max_pool2d(logits, (1, window), (1, step))
        return logits.view(-1, self.cells, 1).expand(-1, -1, FP16_BLOCK).transpose(-2, -1)

    def attended(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Queries, keys and values of one area, each (B, C, h, w), to what its cells make of them."""
        b, _, h, w = v.shape
        if self.spare:
            q, k = (torch.cat([each, each[:, :, : self.spare]], 2) for each in (q, k))
            v = torch.cat([v, torch.zeros(b, v.shape[1], self.spare, w)], 2)
        q = q.reshape(-1, self.key, self.cells)
        k = k.reshape(-1, self.key + FP16_BLOCK, self.cells)
        shifted = k.transpose(-2, -1) @ torch.cat([q, self.largest(q, k[:, : self.key])], 1)
        weights = (F.elu(shifted) + 1.0) ** 2
        sums = v.reshape(-1, self.wide, self.cells) @ weights
        # The added channels are sum(w), and 1 once divided; the projection ignores them.
        out = sums / sums[:, self.head : self.head + 1].clamp(min=MIN_WEIGHT)
        out = out.view(b, self.heads * self.wide, h + self.spare, w)
        return out[:, :, :h] if self.spare else out

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, H, W) of the size it was made for to (B, C, H, W)."""
        v = self.v(x)
        return self.proj(self.shape.by_area(self.attended, self.q(x), self.k(x), v) + self.pe(v))


def map_sizes(model: nn.Module, blocks: dict[str, nn.Module], imgsz: tuple[int, int]) -> dict[str, tuple[int, int]]:
    """(H, W) of the map each block sees at ``imgsz``, from one run."""
    sizes: dict[str, tuple[int, int]] = {}
    with ExitStack() as hooks, torch.no_grad():
        for path, block in blocks.items():

            def note(_: nn.Module, inputs: tuple[Tensor, ...], path: str = path) -> None:
                sizes[path] = inputs[0].shape[-2], inputs[0].shape[-1]

            hooks.callback(block.register_forward_pre_hook(note).remove)
        model(torch.zeros(1, 3, *imgsz))
    return sizes


@contextmanager
def attention_patched(model: nn.Module, imgsz: tuple[int, int]) -> Iterator[nn.Module]:
    """The model with its ``Attention`` blocks rewritten for the NPU; the blocks are back when the ``with`` ends.

    Args:
        model: Ultralytics model in eval mode, fused or not. Nothing happens to one without attention.
        imgsz: input (height, width) in px.
    """
    blocks = attentions(model)
    sizes = map_sizes(model, blocks, imgsz) if blocks else {}
    with ExitStack() as undo:
        for path, block in blocks.items():
            parent, _, name = path.rpartition(".")
            owner = model.get_submodule(parent)
            undo.callback(setattr, owner, name, block)
            setattr(owner, name, NpuAttention(block, sizes[path]).eval())
        yield model
