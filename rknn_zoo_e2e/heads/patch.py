"""Putting a decode tail into an Ultralytics model for the length of a ``with`` block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from rknn_zoo_e2e.heads.detect import DetectTail
from rknn_zoo_e2e.heads.grid import Grid


@contextmanager
def patched(model: nn.Module, tail: type[DetectTail], imgsz: tuple[int, int], layout: str) -> Iterator[nn.Module]:
    """The model with its head answering through ``tail``; the head itself is back when the block ends.

    Args:
        model: Ultralytics model (``model.model[-1]`` is the head), fused or not.
        tail: the task's tail.
        imgsz: input (height, width) in px.
        layout: "flat" or "grid".
    """
    head = model.model[-1]
    replacement = tail(head, Grid(imgsz, tuple(int(s) for s in head.stride)), layout)
    # parse_model's routing attributes: index, inputs, type
    for name in ("i", "f", "type", "np"):
        if hasattr(head, name):
            setattr(replacement, name, getattr(head, name))
    model.model[-1] = replacement.eval()
    try:
        yield model
    finally:
        model.model[-1] = head
