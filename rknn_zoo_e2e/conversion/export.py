"""Checkpoint to the patched ONNX graph."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from rknn_zoo_e2e.document import shown
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.heads.patch import blocks_patched, patched
from rknn_zoo_e2e.manifest import NAME
from rknn_zoo_e2e.spec import ModelSpec, check_imgsz, check_names
from rknn_zoo_e2e.tasks import TASKS, task_of

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
    if task not in TASKS or type(head).__name__ not in HEADS:
        raise UserError(
            f"{name} is a {task} model with a {type(head).__name__} head, which cannot be converted.",
            f"Use a YOLOv8, YOLO11 or YOLO26 model for one of: {', '.join(TASKS)}.",
        )
    return head


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
    stride = int(max(head.stride))
    if imgsz is None:
        trained = model.args.get("imgsz", 640)
        height, width = (trained, trained) if isinstance(trained, int) else (trained[0], trained[-1])
        imgsz = -(-height // stride) * stride, -(-width // stride) * stride
    check_imgsz(imgsz, stride)
    channels = model.yaml.get("channels", 3)
    if channels != 3:
        raise UserError(f"{name} takes pictures of {channels} channels.", "Only RGB models can be converted.")
    try:
        NAME(name, "the name")
        names = tuple(str(n) if isinstance(n, (int, float)) else n for n in (model.names[i] for i in range(head.nc)))
        check_names(names)
    except ValueError as error:
        raise UserError(f"{shown(name)} cannot be converted: {error}.", "Give it a name of printable text.") from error
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
