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

from rknn_zoo_e2e.heads.branch import branches_of
from rknn_zoo_e2e.tasks.registry import task_of
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.vision.arrays import Array, Floats
from rknn_zoo_e2e.vision.tensors import real
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

    YOLO26 has no example in the zoo; it gets the same outputs from its one-to-one head, which needs no NMS. What the
    outputs mean is this project's knowledge too (``--for model-zoo``), so that it decodes them here.
    """

    def export(self, path: Path) -> None:
        model = self.load(one_to_one=True)
        head = model.model[-1]
        with patch.object(head, "forward", lambda features: self.forward(head, features)):
            self.trace(model, path)

    @abstractmethod
    def forward(self, head: Any, features: Sequence[Any]) -> list[Any]:
        """The graph's outputs from the feature maps (1, C, h, w) of the levels."""

    def decode(self, outputs: Sequence[Floats]) -> list[Array]:
        return [real(output) for output in task_of(replace(self.spec, contract="model-zoo")).form.ours(outputs)]


class ZooDetect(Zoo):
    """Per level box logits, scores, and the scores' sum cut off at 1, by which a CPU skips empty cells."""

    after = "box decode"

    def forward(self, head: Any, features: Sequence[Any]) -> list[Any]:
        parts = branches_of(head)
        outputs = []
        for level, x in enumerate(features):
            scores = parts["cls_head"][level](x).sigmoid()
            outputs += [parts["box_head"][level](x), scores, scores.sum(1, keepdim=True).clamp(0, 1)]
            outputs += [parts["mask_head"][level](x)] if "mask_head" in parts else []
        return outputs


class ZooSegment(ZooDetect):
    """The same and the mask coefficients of each level, then the prototypes."""

    def forward(self, head: Any, features: Sequence[Any]) -> list[Any]:
        from ultralytics.nn.modules.block import Proto26

        proto = head.proto(features if isinstance(head.proto, Proto26) else features[0])
        return [*super().forward(head, features), proto]


class ZooPose(Zoo):
    """Per level box and class logits in one map, then all key points decoded, in px: (1, points, values, A).

    Rockchip's script keeps the key points in fp16, from the first convolution of their branch.
    """

    after = "sigmoid, box decode"

    def forward(self, head: Any, features: Sequence[Any]) -> list[Any]:
        import torch
        from ultralytics.nn.modules.head import Pose26
        from ultralytics.utils.tal import make_anchors

        parts, scale, origin = branches_of(head), 2.0, -0.5
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


class ZooObb(Zoo):
    """Per level box and class logits in one map, then all angles after their sigmoid, (1, 1, A)."""

    after = "sigmoid, rotated box decode"

    def forward(self, head: Any, features: Sequence[Any]) -> list[Any]:
        import torch
        from ultralytics.nn.modules.head import OBB26

        raw = [stem(x).flatten(2) for stem, x in zip(branches_of(head)["angle_head"], features, strict=True)]
        angle = torch.cat(raw, 2)
        # YOLO26 gives the angle itself
        return [*logits(head, features), angle / np.pi + 0.25 if isinstance(head, OBB26) else angle.sigmoid()]


ZOO: dict[str, type[Zoo]] = {"detect": ZooDetect, "segment": ZooSegment, "pose": ZooPose, "obb": ZooObb}


def logits(head: Any, features: Sequence[Any]) -> list[Any]:
    """Box and class logits of each level in one map."""
    import torch

    parts = branches_of(head)
    pairs = zip(parts["box_head"], parts["cls_head"], features, strict=True)
    return [torch.cat([box(x), scores(x)], 1) for box, scores, x in pairs]
