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
import typer
from bench_graphs import CalibImages, DataFolder
from bench_interval import ours

from rknn_zoo_e2e.analysis.errors import Answers
from rknn_zoo_e2e.bundle.analysis import BOX, SCORE
from rknn_zoo_e2e.bundle.reader import read_bundle, read_ranges
from rknn_zoo_e2e.cli.ui.failures import reporting_errors
from rknn_zoo_e2e.cli.ui.options import Json, Quiet
from rknn_zoo_e2e.cli.ui.output import Output
from rknn_zoo_e2e.measure.evaluate import evaluate
from rknn_zoo_e2e.quantization.calibration import DEFAULT_PICTURES
from rknn_zoo_e2e.quantization.emulation import Emulator, emulated
from rknn_zoo_e2e.quantization.precision import int8_tensors
from rknn_zoo_e2e.runtime.onnx import OnnxRuntime
from rknn_zoo_e2e.runtime.pool import Pool
from rknn_zoo_e2e.runtime.predictor import Predictor
from rknn_zoo_e2e.tasks.base import Thresholds
from rknn_zoo_e2e.tasks.registry import TASKS
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.toolkit.graph import readers_of
from rknn_zoo_e2e.toolkit.job import Ranges
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


def unrounded(path: Path, ranges: Ranges, left: str) -> onnx.ModelProto:
    """The graph with its INT8 tensors and weights rounded, but for those whose names match ``left``."""
    model, names = onnx.load(str(path)), int8_tensors(path)
    readers = readers_of(model.graph)

    def rounds(tensor: str, reader: onnx.NodeProto | None) -> bool:
        return tensor in names and not re.match(left, tensor)

    def rounds_weights(node: onnx.NodeProto) -> bool:
        after = {name for reader in readers.get(node.output[0], []) for name in reader.output}  # SiLU's product
        return not names.keys().isdisjoint({*node.output, *after}) and not re.fullmatch(left, WEIGHTS)

    return emulated(model, ranges, rounds, rounds_weights)


class Compared(Emulator):
    """An emulated graph that notes how far its answers are from the fp32 graph's."""

    def __init__(self, model: onnx.ModelProto, fp32: OnnxRuntime, spec: ModelSpec) -> None:
        super().__init__(model)
        self.fp32, self.answers = fp32, Answers(spec)
        self.off: list[dict[str, Array]] = []

    def infer(self, rgb: Pixels) -> list[Floats]:
        found = super().infer(rgb)
        self.answers.expect(self.fp32.infer(rgb))
        self.off.append(self.answers.deviation(found, len(self.off)))
        return found


def measure(model: str, data: Path, calib_images: int, output: Output) -> list[Row]:
    """Every row of one model."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path, labelled = ours(model, data, calib_images, Path(folder), output)
        bundle = read_bundle(path)
        spec, ranges = bundle.spec, read_ranges(bundle, bundle.artifacts[0])["ranges"]
        fp32 = OnnxRuntime(bundle.onnx)
        for left, pattern in LEFT.items():
            output.note(f"{model}: {left} unrounded")
            runtime = Compared(unrounded(bundle.onnx, ranges, pattern), fp32, spec)
            predictor = Predictor(spec, Pool([lambda runtime=runtime: runtime]), Thresholds())  # type: ignore[misc]
            metrics = evaluate(predictor, labelled)["metrics"][TASKS[spec.task].metric]
            scores, boxes = (np.concatenate([off[kind] for off in runtime.off]) for kind in (SCORE, BOX))
            figures = np.sqrt(np.square(scores).mean()), scores.mean(), np.mean(boxes), np.median(boxes)
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
