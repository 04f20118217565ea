"""Checkpoint to the patched ONNX graph."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from torch import nn

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.heads.boundary import LEAVES, RETURNS, STEM, boundaries, layers_marked, take_marks
from rknn_zoo_e2e.heads.patch import blocks_patched, patched
from rknn_zoo_e2e.quantization.precision import Boundaries
from rknn_zoo_e2e.tasks.contract import find_contract
from rknn_zoo_e2e.tasks.registry import task_of
from rknn_zoo_e2e.tasks.spec import ModelSpec

OPSET = 19  # the newest rknn-toolkit2 2.3 reads


def export_onnx(model: nn.Module, spec: ModelSpec, layout: str, path: Path, floats: bool = True) -> None:
    """Writes the patched graph: input ``images`` (1, 3, H, W) float32 RGB 0..1, outputs as the task names them.

    The graph carries where its numbers leave INT8, as head and blocks say.

    Args:
        floats: for an NPU that computes in fp16.

    Raises:
        UserError: a part that says where it leaves INT8 is not in the graph.
    """
    with blocks_patched(model), patched(model, spec, layout, floats), layers_marked(model) as of_layers:
        said = boundaries(model) | of_layers
        torch.onnx.export(
            model,
            (torch.zeros(1, 3, *spec.imgsz),),
            str(path),
            opset_version=OPSET,
            input_names=["images"],
            output_names=[output.name for output in task_of(spec).form.outputs],
        )
    graph = onnx.load(str(path))
    marks = take_marks(graph)
    if lost := said - {(role, region) for role, pairs in marks.items() for region, _ in pairs}:
        raise UserError(
            f"The graph of {spec.name} lacks {' of '.join(min(lost))}: its precision cannot be planned.",
            "Report this with the checkpoint's origin; it holds something this tool does not know.",
        )
    Boundaries(marks[LEAVES], marks[RETURNS], marks[STEM], find_contract(spec.contract).int8).write(graph)
    onnx.save(graph, str(path))
