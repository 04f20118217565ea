"""What a loaded checkpoint says of its model: head, channels, size, classes."""

from __future__ import annotations

import re
from typing import Any

from torch import nn
from ultralytics.nn.modules.conv import Focus

from rknn_zoo_e2e.bundle.schema import NAME
from rknn_zoo_e2e.checkpoint.names import class_names
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.validation import shown
from rknn_zoo_e2e.heads.detect import DetectTail
from rknn_zoo_e2e.heads.registry import tail_of
from rknn_zoo_e2e.tasks.registry import TASKS
from rknn_zoo_e2e.tasks.spec import LARGEST_SIDE, ModelSpec, check_imgsz, check_names

DEFAULT_SIZE = 640  # px, Ultralytics'

# Joints to draw between COCO's 17 key points (ultralytics.utils.plotting).
COCO_POINTS = 17
COCO_SKELETON = (
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10),
    (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
)  # fmt: skip


def check_head(model: nn.Module, name: str) -> tuple[nn.Module, type[DetectTail]]:
    """The head and the tail that decodes it. Raises :class:`UserError` where this tool has none for it."""
    task, head = getattr(model, "task", None), model.model[-1]
    tail = tail_of(head)
    if tail is None or task not in TASKS or task != tail.task:
        raise UserError(
            f"{name} is a {task} model with a {type(head).__name__} head, which cannot be converted.",
            f"Use one of Ultralytics' YOLOv3u to YOLO26 for one of: {', '.join(TASKS)}.",
        )
    return head, tail


def check_channels(model: nn.Module, name: str) -> None:
    """Raises :class:`UserError` unless the first convolution, whatever the model's yaml says, takes RGB."""
    first = next((layer for layer in model.modules() if isinstance(layer, nn.Conv2d)), None)
    folds = 4 if isinstance(model.model[0], Focus) else 1  # which brings four pixels side by side
    if first is not None and first.in_channels != 3 * folds:
        channels = first.in_channels // folds
        raise UserError(
            f"{name} takes pictures of {channels} channel{'s' if channels > 1 else ''}.",
            "Only RGB models can be converted: train it with channels: 3.",
        )


def training_size(given: Any) -> tuple[int, int] | None:
    """(height, width) in px a model was trained at, from whatever was kept of ``imgsz``; None where it says nothing."""
    if isinstance(given, str):
        given = re.findall(r"\d+", given)
    sides = given if isinstance(given, (list, tuple)) else [given]
    try:
        found = [int(side) for side in sides if not isinstance(side, bool) and float(side) == int(side)]
    except (TypeError, ValueError, OverflowError):
        return None
    if len(found) != len(sides) or len(found) not in (1, 2) or not all(0 < side <= LARGEST_SIDE for side in found):
        return None
    return found[0], found[-1]


def spec_of(
    model: nn.Module,
    name: str,
    imgsz: tuple[int, int] | None = None,
    skeleton: tuple[tuple[int, int], ...] = (),
) -> ModelSpec:
    """Everything about the model that the checkpoint itself says.

    Args:
        imgsz: input (height, width) in px, the training size by default.
        skeleton: joints to draw; COCO's for 17 key points by default.
    """
    head, tail = check_head(model, name)
    check_channels(model, name)
    stride, notes = int(max(head.stride)), []
    if imgsz is None:
        trained = training_size(model.args.get("imgsz"))
        if trained is None:
            notes.append(f"It does not say at what size it was trained: {DEFAULT_SIZE} px is taken, or give --imgsz.")
        height, width = trained or (DEFAULT_SIZE, DEFAULT_SIZE)
        imgsz = -(-height // stride) * stride, -(-width // stride) * stride
    check_imgsz(imgsz, stride)
    try:
        NAME(name, "the name")
    except ValueError as error:
        raise UserError(f"{shown(name)} cannot be converted: {error}.", "Rename it to printable text.") from error
    try:
        names, corrected = class_names(getattr(model, "names", None), head.nc)
        check_names(names)
    except ValueError as error:
        raise UserError(
            f"{shown(name)} cannot be converted: {error}.",
            'Rename its classes in Python: m = YOLO("x.pt"); m.model.names[0] = "name"; m.save("y.pt").',
        ) from error
    facts = tail.facts(head)
    kpt_shape = facts.get("kpt_shape")
    if kpt_shape and not skeleton and kpt_shape[0] == COCO_POINTS:
        skeleton = COCO_SKELETON
    return ModelSpec(
        name=name,
        task=model.task,
        names=names,
        imgsz=imgsz,
        stride=stride,
        skeleton=skeleton,
        nms_free=bool(head.end2end),
        levels=len(head.stride),
        bins=int(head.reg_max),
        notes=(*notes, *corrected),
        **facts,
    )
