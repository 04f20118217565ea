#!/usr/bin/env python3
"""How sure a loss of mAP is: INT8 against fp32 on the same pictures, and its spread over other choices of pictures.

    E2ERKNN_DATA=../shared/data python scripts/bench_interval.py yolov8n yolov8n-pose

Both are run on every labelled picture (INT8 for rk3566 in the vendor's simulator). Then as many pictures are drawn from
them with replacement, again and again, and mAP50-95 of both is taken on each draw: the standard deviation of their
difference says how far the loss would move with other pictures (paired bootstrap). Markdown on stdout, or JSON with
--json.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Annotated

import typer
from bench_graphs import DATA, CalibImages, DataFolder

from rknn_zoo_e2e import convert, load
from rknn_zoo_e2e.bundle.model import SUFFIX
from rknn_zoo_e2e.cli.ui.failures import reporting_errors
from rknn_zoo_e2e.cli.ui.options import Json, Quiet
from rknn_zoo_e2e.cli.ui.output import Output
from rknn_zoo_e2e.measure.interval import Statistics, compared, statistics
from rknn_zoo_e2e.quantization.calibration import DEFAULT_PICTURES
from rknn_zoo_e2e.tasks.registry import TASKS
from rknn_zoo_e2e.zoo import catalogue


@dataclass
class Row:
    """One model's loss in points of mAP50-95 x 100, over ``images`` pictures."""

    model: str
    metric: str
    images: int
    fp32: float
    int8: float
    loss: float
    deviation: float
    low: float
    high: float


def ours(model: str, data: Path, calib_images: int, folder: Path, output: Output) -> tuple[Path, Path]:
    """A model's bundle for rk3566, made in ``folder``, and the ``data.yaml`` of its labelled pictures."""
    labelled, pictures = (data / part for part in DATA[catalogue()[model].task])
    output.note(f"{model}: convert")
    convert(model, ["rk3566"], calib=pictures, calib_images=calib_images, layout="grid", out=folder, verify=False)
    return folder / f"{model}{SUFFIX}", labelled


def compare(model: str, data: Path, calib_images: int, resamples: int, output: Output) -> Row:
    """Builds, runs and resamples one model."""
    with tempfile.TemporaryDirectory() as folder:
        bundle, labelled = ours(model, data, calib_images, Path(folder), output)
        both: list[Statistics] = []
        for place, backend in ((model, "torch"), (bundle, "simulator")):
            output.note(f"{model}: {backend}")
            with load(place, backend=backend) as predictor:
                metric = TASKS[predictor.spec.task].metric
                both.append(statistics(predictor, labelled))
    found = compared(both[0], both[1], metric, resamples)
    return Row(model, metric, len(both[0]["conf"]), *(round(value, 2) for value in astuple(found)))


def main(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Zoo names.")],
    data: DataFolder,
    calib_images: CalibImages = DEFAULT_PICTURES,
    resamples: Annotated[int, typer.Option(min=10, help="How many draws.")] = 400,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Loss of mAP by INT8, and how sure it is."""
    with reporting_errors(Output(json, quiet)) as output:
        rows = [compare(model, data.resolve(), calib_images, resamples, output) for model in models]
    lines = ["| model | metric | pictures | fp32 | INT8 | loss | ± | 95 % |", "|---|---|---:|---:|---:|---:|---:|---|"]
    for r in rows:
        between = f"{r.low:.2f} to {r.high:.2f}"
        lines.append(
            f"| {r.model} | {r.metric} | {r.images} | {r.fp32} | {r.int8} | {r.loss} | {r.deviation} | {between} |"
        )
    output.emit([asdict(row) for row in rows], "\n".join(lines))


if __name__ == "__main__":
    typer.run(main)
