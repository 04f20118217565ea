"""Checkpoint to the patched ONNX graph."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import nn
from ultralytics.nn.modules.conv import Focus
from ultralytics.nn.modules.head import Detect

from rknn_zoo_e2e.bundle.schema import LARGEST_SIDE, NAME
from rknn_zoo_e2e.checkpoint.names import class_names
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.validation import shown
from rknn_zoo_e2e.heads.patch import blocks_patched, patched
from rknn_zoo_e2e.tasks.registry import TASKS, task_of
from rknn_zoo_e2e.tasks.spec import ModelSpec, check_imgsz, check_names

DEFAULT_SIZE = 640  # px, Ultralytics'
OPSET = 19  # the newest rknn-toolkit2 2.3 reads

# Ultralytics' head classes this tool decodes, by name: others (YOLO-World, RT-DETR, ...) share a base with them but not
# their decode.
HEADS = {"Detect", "v10Detect", "Pose", "Pose26", "Segment", "Segment26", "OBB", "OBB26"}

# Joints to draw between COCO's 17 key points (ultralytics.utils.plotting).
COCO_POINTS = 17
COCO_SKELETON = (
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10),
    (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
)  # fmt: skip


def check_head(model: nn.Module, name: str) -> nn.Module:
    """The head, if this tool knows it. Raises :class:`UserError` otherwise."""
    task, head = getattr(model, "task", None), model.model[-1]
    if task not in TASKS or type(head).__name__ not in HEADS or not isinstance(head, Detect):
        raise UserError(
            f"{name} is a {task} model with a {type(head).__name__} head, which cannot be converted.",
            f"Use a YOLOv8, YOLO11 or YOLO26 model for one of: {', '.join(TASKS)}.",
        )
    return head


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
    head = check_head(model, name)
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
    kpt_shape = tuple(head.kpt_shape) if model.task == "pose" else None
    if kpt_shape and not skeleton and kpt_shape[0] == COCO_POINTS:
        skeleton = COCO_SKELETON
    return ModelSpec(
        name=name,
        task=model.task,
        names=names,
        imgsz=imgsz,
        stride=stride,
        kpt_shape=kpt_shape,
        skeleton=skeleton,
        masks=int(getattr(head, "nm", 0)) if model.task == "segment" else 0,
        nms_free=bool(head.end2end),
        notes=(*notes, *corrected),
    )


def export_onnx(model: nn.Module, spec: ModelSpec, layout: str, path: Path, floats: bool = True) -> None:
    """Writes the patched graph: input ``images`` (1, 3, H, W) float32 RGB 0..1, outputs as the task names them.

    Args:
        floats: for an NPU that computes in fp16.
    """
    task = task_of(spec)
    with blocks_patched(model), patched(model, task.tail(), spec.imgsz, layout, floats):
        torch.onnx.export(
            model,
            (torch.zeros(1, 3, *spec.imgsz),),
            str(path),
            opset_version=OPSET,
            input_names=["images"],
            output_names=[output.name for output in task.outputs],
        )
