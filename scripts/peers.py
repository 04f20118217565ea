"""The graphs that `bench_graphs.py` compares ours with, made from the same checkpoint.

`Stock` is what Ultralytics' exporter makes for INT8. The `Zoo` classes have the outputs of Rockchip's rknn_model_zoo
and of the fork its models are exported with (airockchip/ultralytics_yolov8); what those leave to the CPU is done here,
so that every graph ends as this project's outputs: box, scores and the task's channels, normalised to the input.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import numpy as np

from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.vision.arrays import Array, Floats
from rknn_zoo_e2e.zoo import Source


class Peer(ABC):
    """One foreign graph of one model.

    Attributes:
        after: what is left to the CPU besides NMS, in words.
        spec: as the graph's user sees the model.
    """

    after: ClassVar[str] = ""

    def __init__(self, source: Source, spec: ModelSpec) -> None:
        self.source, self.spec = source, spec

    @abstractmethod
    def export(self, path: Path) -> None:
        """Writes the ONNX graph: input ``images`` (1, 3, H, W) float32 RGB 0..1."""

    def hybrid(self, path: Path) -> tuple[tuple[str, str], ...]:
        """What its makers do not quantise to INT8: [first tensor, last tensor] of each region."""
        return ()

    @abstractmethod
    def decode(self, outputs: Sequence[Floats]) -> list[Array]:
        """The graph's outputs, float32, to this project's in layout flat."""

    def load(self, one_to_one: bool) -> Any:
        """The model as Ultralytics' exporter prepares it for tracing.

        Args:
            one_to_one: which head a model of two keeps.
        """
        from ultralytics.nn.modules import C2f, Detect

        from rknn_zoo_e2e.checkpoint.load import load_unfused

        model: Any = load_unfused(self.source.path)
        if getattr(model.model[-1], "one2one_cv2", None) is not None:
            model.end2end = one_to_one
        model = model.fuse(verbose=False).eval().requires_grad_(False)
        for module in model.modules():
            if isinstance(module, Detect):
                module.export, module.format = True, "rknn"
            elif isinstance(module, C2f):
                module.forward = module.forward_split  # one Split where chunk gives slices
        return model

    def trace(self, model: Any, path: Path) -> None:
        """Exports a prepared model; its outputs are called ``output0``, ``output1``, ..."""
        import torch
        from ultralytics.utils.export.engine import torch2onnx

        from rknn_zoo_e2e.conversion.export import OPSET

        x = torch.zeros(1, 3, *self.spec.imgsz)
        with torch.no_grad():
            outputs = model(x)
            count = len(outputs) if isinstance(outputs, (tuple, list)) else 1
            torch2onnx(model, x, path, OPSET, output_names=[f"output{index}" for index in range(count)])


class Stock(Peer):
    """``yolo export format=rknn quantize=8``: one decoded output, coordinates divided by the input size.

    The exporter refuses INT8 for pose, segment and obb, although its normalisation knows them; so it is applied here.
    It drops the one-to-one head of YOLO26, so NMS is needed.
    """

    def __init__(self, source: Source, spec: ModelSpec) -> None:
        super().__init__(source, replace(spec, nms_free=False))

    def export(self, path: Path) -> None:
        from ultralytics.utils.export.engine import _NormalizeCoords

        (height, width), spec = self.spec.imgsz, self.spec
        model = self.load(one_to_one=False)
        self.trace(_NormalizeCoords(model, height, width, spec.task, len(spec.names), spec.kpt_shape).eval(), path)

    def decode(self, outputs: Sequence[Floats]) -> list[Array]:
        return list(outputs)


class Zoo(Peer):
    """Rockchip's way: the head's maps level by level, boxes not decoded.

    YOLO26 has no example in the zoo; it gets the same outputs from its one-to-one head, which needs no NMS.
    """

    def export(self, path: Path) -> None:
        model = self.load(one_to_one=True)
        head = model.model[-1]
        with patch.object(head, "forward", lambda features: self.forward(head, features)):
            self.trace(model, path)

    @abstractmethod
    def forward(self, head: Any, features: Sequence[Any]) -> list[Any]:
        """The graph's outputs from the feature maps (1, C, h, w) of the levels."""


class ZooDetect(Zoo):
    """Per level box logits, scores, and the scores' sum cut off at 1, by which a CPU skips empty cells."""

    after = "box decode"

    def forward(self, head: Any, features: Sequence[Any]) -> list[Any]:
        parts = branches(head)
        outputs = []
        for level, x in enumerate(features):
            scores = parts["cls_head"][level](x).sigmoid()
            outputs += [parts["box_head"][level](x), scores, scores.sum(1, keepdim=True).clamp(0, 1)]
            outputs += [parts["mask_head"][level](x)] if "mask_head" in parts else []
        return outputs

    def decode(self, outputs: Sequence[Floats]) -> list[Array]:
        kinds = 3 if self.spec.task == "detect" else 4
        box, scores, _, *coefficients = (outputs[kind::kinds] for kind in range(kinds))
        return [np.concatenate([boxes(box, flat(box)), flat(scores), *map(flat, coefficients)])[None]]


class ZooSegment(ZooDetect):
    """The same and the mask coefficients of each level, then the prototypes."""

    def forward(self, head: Any, features: Sequence[Any]) -> list[Any]:
        from ultralytics.nn.modules.block import Proto26

        proto = head.proto(features if isinstance(head.proto, Proto26) else features[0])
        return [*super().forward(head, features), proto]

    def decode(self, outputs: Sequence[Floats]) -> list[Array]:
        return [*super().decode(outputs[:-1]), outputs[-1]]


class ZooPose(Zoo):
    """Per level box and class logits in one map, then all key points decoded, in px: (1, points, values, A).

    Rockchip's script keeps the key points in fp16, from the first convolution of their branch.
    """

    after = "sigmoid, box decode"

    def forward(self, head: Any, features: Sequence[Any]) -> list[Any]:
        import torch
        from ultralytics.nn.modules.head import Pose26
        from ultralytics.utils.tal import make_anchors

        parts, scale, origin = branches(head), 2.0, -0.5
        stems = parts["pose_head"]
        if isinstance(head, Pose26):
            stems = [torch.nn.Sequential(a, b) for a, b in zip(stems, parts["kpts_head"], strict=True)]
            scale, origin = 1.0, 0.0
        raw = torch.cat([stem(x).flatten(2) for stem, x in zip(stems, features, strict=True)], 2)
        points = raw.view(1, *head.kpt_shape, -1)
        centres, strides = (x.transpose(0, 1) for x in make_anchors(features, head.stride, 0.5))
        located = (points[:, :, :2] * scale + (centres + origin)) * strides
        return [*logits(head, features), torch.cat([located, points[:, :, 2:].sigmoid()], 2)]

    def hybrid(self, path: Path) -> tuple[tuple[str, str], ...]:
        import onnx

        graph = onnx.load(str(path), load_external_data=False).graph
        first = re.compile(r"/(one2one_)?cv4\.\d/(one2one_)?cv4\.\d\.0/act/Mul_output_0$")
        starts = [name for node in graph.node for name in node.output if first.search(name)]
        return tuple((start, graph.output[-1].name) for start in starts)

    def decode(self, outputs: Sequence[Floats]) -> list[Array]:
        *maps, points = outputs
        points = points[0] / np.array([*self.spec.imgsz[::-1], 1][: points.shape[2]])[:, None]
        box, scores = split(maps, len(self.spec.names))
        return [np.concatenate([boxes(maps, box), sigmoid(scores), points.reshape(-1, points.shape[-1])])[None]]


class ZooObb(Zoo):
    """Per level box and class logits in one map, then all angles after their sigmoid, (1, 1, A)."""

    after = "sigmoid, rotated box decode"

    def forward(self, head: Any, features: Sequence[Any]) -> list[Any]:
        import torch
        from ultralytics.nn.modules.head import OBB26

        raw = [stem(x).flatten(2) for stem, x in zip(branches(head)["angle_head"], features, strict=True)]
        angle = torch.cat(raw, 2)
        self.radians = isinstance(head, OBB26)  # YOLO26 gives the angle itself
        return [*logits(head, features), angle if self.radians else angle.sigmoid()]

    def decode(self, outputs: Sequence[Floats]) -> list[Array]:
        *maps, angle = outputs
        angle = angle[0] if self.radians else (angle[0] - 0.25) * np.pi
        box, scores = split(maps, len(self.spec.names))
        return [np.concatenate([boxes(maps, box, angle[0]), sigmoid(scores), angle])[None]]


ZOO: dict[str, type[Zoo]] = {"detect": ZooDetect, "segment": ZooSegment, "pose": ZooPose, "obb": ZooObb}


def branches(head: Any) -> dict[str, Any]:
    """The head's branches by Ultralytics' names, each one module a level."""
    found: dict[str, Any] = head.one2one if head.end2end else head.one2many
    return found


def logits(head: Any, features: Sequence[Any]) -> list[Any]:
    """Box and class logits of each level in one map."""
    import torch

    parts = branches(head)
    pairs = zip(parts["box_head"], parts["cls_head"], features, strict=True)
    return [torch.cat([box(x), scores(x)], 1) for box, scores, x in pairs]


def flat(maps: Sequence[Array]) -> Array:
    """(1, C, h, w) of each level to (C, A)."""
    return np.concatenate([x.reshape(x.shape[1], -1) for x in maps], 1)


def split(maps: Sequence[Array], classes: int) -> tuple[Array, Array]:
    """Maps of box and class logits to (4 * bins, A) and (classes, A)."""
    both = flat(maps)
    return both[:-classes], both[-classes:]


def boxes(maps: Sequence[Array], box: Array, angle: Array | float = 0.0) -> Array:
    """Decoded boxes (4, A): cx, cy, w, h normalised.

    Args:
        maps: any output of each level, for its size.
        box: logits (4 * bins, A), or distances (4, A) where the head has no DFL.
        angle: radians by which the centre is turned (A,).
    """
    left, top, right, bottom = dfl(box)
    x, y = (right - left) / 2, (bottom - top) / 2
    cos, sin = np.cos(angle), np.sin(angle)
    shift, size = np.stack([x * cos - y * sin, x * sin + y * cos]), np.stack([left + right, top + bottom])
    centres, cells = [], []
    for height, width in (x.shape[2:] for x in maps):
        rows, columns = np.mgrid[:height, :width] + 0.5
        centres.append(np.stack([columns.ravel(), rows.ravel()]))
        cells.append(np.repeat([[1 / width], [1 / height]], height * width, 1))
    cell = np.concatenate(cells, 1)
    return np.concatenate([(np.concatenate(centres, 1) + shift) * cell, size * cell])


def dfl(box: Array) -> Array:
    """Mean of the softmax of each side's bins: (4 * bins, A) to (4, A) in cells."""
    x = box.reshape(4, -1, box.shape[1])
    if x.shape[1] == 1:
        return box
    weights = np.exp(x - x.max(1, keepdims=True))
    mean: Array = (weights * np.arange(x.shape[1])[:, None]).sum(1) / weights.sum(1)
    return mean


def sigmoid(x: Array) -> Array:
    share: Array = 1 / (1 + np.exp(-x))
    return share
