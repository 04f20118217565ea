#!/usr/bin/env python3
"""Where eight bits cost accuracy: INT8 emulated with parts of the model left unrounded.

    E2ERKNN_DATA=../shared/data python scripts/bench_rounding.py yolov8n

The exported graph runs in ONNX Runtime, every tensor that is INT8 on the NPU rounded to its calibrated range and every
INT8 convolution's weights to their grid; yolov8n then has the mAP the vendor's simulator gives it. Each row leaves
something as it is in fp32. Errors are over anchors that fp32 gives more than 0.1: root mean square and mean of the best
class's score, mean and median of the box's four values in px.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import onnx
import onnxruntime
import typer
from bench_graphs import CalibImages, DataFolder
from bench_interval import ours
from onnx import TensorProto, helper, numpy_helper

from rknn_zoo_e2e.bundle.reader import read_bundle, read_ranges
from rknn_zoo_e2e.cli.ui.failures import reporting_errors
from rknn_zoo_e2e.cli.ui.options import Json, Quiet
from rknn_zoo_e2e.cli.ui.output import Output
from rknn_zoo_e2e.measure.evaluate import evaluate
from rknn_zoo_e2e.quantization.calibration import DEFAULT_PICTURES
from rknn_zoo_e2e.quantization.clipping import grid_of
from rknn_zoo_e2e.quantization.precision import int8_tensors
from rknn_zoo_e2e.runtime.onnx import OnnxRuntime
from rknn_zoo_e2e.runtime.pool import Pool
from rknn_zoo_e2e.runtime.predictor import Predictor
from rknn_zoo_e2e.tasks.base import Thresholds
from rknn_zoo_e2e.tasks.registry import TASKS, task_of
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.toolkit.graph import readers_of
from rknn_zoo_e2e.toolkit.job import Ranges
from rknn_zoo_e2e.toolkit.weight_grids import better_grid, on_grid
from rknn_zoo_e2e.vision.arrays import Array, Floats, Pixels

WEIGHTS = "weights"
LEFT = {  # what a row leaves in fp32: tensors by name, or the weights
    "nothing": "$^",
    "the first two convolutions": r"/model\.[01]/",
    "layers 2 to 9": r"/model\.[2-9]/",
    "layers 10 to 21": r"/model\.(1\d|2[01])/",
    "layers from 22 on": r"/model\.2[23]/",
    "all activations": "",
    "all weights": WEIGHTS,
    "everything": f"|{WEIGHTS}",
}
SEEN = 0.1  # score from which an anchor counts


@dataclass
class Row:
    """What was left unrounded, and what is lost all the same; px of the input."""

    model: str
    left: str
    map: float
    score_rms: float
    score_mean: float
    box_mean: float
    box_median: float


def emulated(path: Path, ranges: Ranges, left: str) -> onnx.ModelProto:
    """The graph with its INT8 tensors and weights rounded, but for those whose names match ``left``."""
    model, names = onnx.load(str(path)), int8_tensors(path)
    graph = model.graph
    readers = readers_of(graph)
    weights = {tensor.name: tensor for tensor in graph.initializer}
    rounded: dict[str, str] = {}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        after = {name for reader in readers.get(node.output[0], []) for name in reader.output}  # SiLU's product
        if node.op_type == "Conv" and names.keys() & {*node.output, *after} and not re.fullmatch(left, WEIGHTS):
            tensor = weights[node.input[1]]
            tensor.CopyFrom(numpy_helper.from_array(rounded_weights(numpy_helper.to_array(tensor)), tensor.name))
        for place, name in enumerate(node.input):
            node.input[place] = rounded.get(name, name)
        nodes.append(node)
        for name in node.output if node.op_type != "Constant" else ():
            if name in names and name in ranges and not re.match(left, name):
                nodes += rounding(graph, name, ranges[name][0][0], ranges[name][1][0])
                rounded[name] = f"{name}:rounded"
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def rounding(graph: onnx.GraphProto, name: str, low: float, high: float) -> list[onnx.NodeProto]:
    """The two operators that round a tensor to 256 values from low to high."""
    step, zero = grid_of(low, high)
    grid = [f"{name}:step", f"{name}:zero"]
    graph.initializer.append(numpy_helper.from_array(np.float32(step), grid[0]))
    graph.initializer.append(helper.make_tensor(grid[1], TensorProto.INT8, [], [zero]))
    return [
        helper.make_node("QuantizeLinear", [name, *grid], [f"{name}:int8"]),
        helper.make_node("DequantizeLinear", [f"{name}:int8", *grid], [f"{name}:rounded"]),
    ]


def rounded_weights(weights: Array) -> Array:
    """A convolution's weights (C, ...) as the toolkit is told to round them."""
    flat = weights.reshape(len(weights), -1).astype(np.float64)
    step, zero = better_grid(flat)
    return on_grid(flat, step[:, None], zero[:, None]).reshape(weights.shape).astype(np.float32)


class Compared(OnnxRuntime):
    """An emulated graph that notes how far its answers are from the fp32 graph's."""

    def __init__(self, path: Path, fp32: OnnxRuntime, spec: ModelSpec) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # Its last pass, blocks of channels, breaks where rounding stands between them.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.fp32, self.spec, self.last = fp32, spec, task_of(spec).extra_from
        self.scores: list[Array] = []
        self.boxes: list[Array] = []

    def infer(self, rgb: Pixels) -> list[Floats]:
        found = super().infer(rgb)
        y, wanted = (o[0].reshape(o[0].shape[1], -1) for o in (found, self.fp32.infer(rgb)))
        best = wanted[4 : self.last].argmax(0) + 4
        (seen,) = np.nonzero(wanted[best, np.arange(len(best))] > SEEN)
        self.scores.append((y - wanted)[best[seen], seen])
        height, width = self.spec.imgsz
        self.boxes.append(np.abs((y - wanted)[:4, seen].T * [width, height, width, height]).ravel())
        return found


def measure(model: str, data: Path, calib_images: int, output: Output) -> list[Row]:
    """Every row of one model."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path, labelled = ours(model, data, calib_images, Path(folder), output)
        bundle, emulation = read_bundle(path), Path(folder) / "emulated.onnx"
        spec, ranges = bundle.spec, read_ranges(bundle, bundle.artifacts[0])["ranges"]
        fp32 = OnnxRuntime(bundle.onnx)
        for left, pattern in LEFT.items():
            output.note(f"{model}: {left} unrounded")
            onnx.save(emulated(bundle.onnx, ranges, pattern), str(emulation))
            runtime = Compared(emulation, fp32, spec)
            predictor = Predictor(spec, Pool([lambda runtime=runtime: runtime]), Thresholds())  # type: ignore[misc]
            metrics = evaluate(predictor, labelled)["metrics"][TASKS[spec.task].metric]
            scores, boxes = np.concatenate(runtime.scores), np.concatenate(runtime.boxes)
            figures = np.sqrt(np.square(scores).mean()), np.abs(scores).mean(), boxes.mean(), np.median(boxes)
            rows.append(Row(model, left, round(100 * metrics["map"], 2), *(round(float(v), 4) for v in figures)))
    return rows


def main(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Zoo names.")],
    data: DataFolder,
    calib_images: CalibImages = DEFAULT_PICTURES,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """What eight bits cost, part by part, emulated."""
    with reporting_errors(Output(json, quiet)) as output:
        rows = [row for model in models for row in measure(model, data.resolve(), calib_images, output)]
    lines = [
        "| model | left in fp32 | mAP | score rms | mean | box mean, px | median |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for r in rows:
        errors = f"{r.score_rms:.4f} | {r.score_mean:.4f} | {r.box_mean:.3f} | {r.box_median:.3f}"
        lines.append(f"| {r.model} | {r.left} | {r.map:.2f} | {errors} |")
    output.emit([asdict(row) for row in rows], "\n".join(lines))


if __name__ == "__main__":
    typer.run(main)
