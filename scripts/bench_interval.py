#!/usr/bin/env python3
"""How sure a loss of mAP is: INT8 against fp32 on the same pictures, and its spread over other choices of pictures.

    E2ERKNN_DATA=../shared/data python scripts/bench_interval.py yolov8n yolov8n-pose

Both are run on every labelled picture: the bundle's ONNX graph in fp32, and INT8 for rk3566 in the vendor's simulator.
Then as many pictures are drawn from them with replacement, again and again, and mAP50-95 of both is taken on each draw:
the standard deviation of their difference says how far the loss would move with other pictures (paired bootstrap).
Kept is INT8 in per cent of fp32, with what holds 95 of 100 draws. Markdown on stdout, or JSON with --json; --record
keeps it beside the rows of docs/zoo.md.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from bench_graphs import DATA, CalibImages, DataFolder
from zoo_page import PAGE, page
from zoo_rows import keep_retention

from rknn_zoo_e2e import convert, load
from rknn_zoo_e2e.bundle.model import SUFFIX
from rknn_zoo_e2e.cli.ui.failures import reporting_errors
from rknn_zoo_e2e.cli.ui.options import Json, Quiet
from rknn_zoo_e2e.cli.ui.output import Output
from rknn_zoo_e2e.measure.interval import Statistics, resampled, statistics
from rknn_zoo_e2e.quantization.calibration import DEFAULT_PICTURES
from rknn_zoo_e2e.tasks.registry import TASKS
from rknn_zoo_e2e.zoo import catalogue

SOC = "rk3566"


@dataclass
class Row:
    """One model's loss in points of mAP50-95 x 100, over ``images`` pictures, and what is kept in per cent of fp32."""

    model: str
    metric: str
    images: int
    fp32: float
    int8: float
    loss: float
    deviation: float
    low: float
    high: float
    kept: float
    kept_low: float
    kept_high: float
    seconds: float

    def retention(self) -> dict[str, Any]:
        """What of it stands beside the rows of docs/zoo.md."""
        interval = {"low": self.kept_low, "high": self.kept_high}
        about = {"metric": self.metric, "soc": SOC, "images": self.images, "fp32": self.fp32, "int8": self.int8}
        return {**about, **interval, "seconds": self.seconds}


def ours(model: str, data: Path, calib_images: int, folder: Path, output: Output) -> tuple[Path, Path]:
    """A model's bundle for :data:`SOC`, made in ``folder``, and the ``data.yaml`` of its labelled pictures."""
    labelled, pictures = (data / part for part in DATA[catalogue()[model].task])
    output.note(f"{model}: convert")
    convert(model, [SOC], calib=pictures, calib_images=calib_images, layout="grid", out=folder, verify=False)
    return folder / f"{model}{SUFFIX}", labelled


def compare(model: str, data: Path, calib_images: int, resamples: int, output: Output) -> Row:
    """Builds, runs and resamples one model."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        bundle, labelled = ours(model, data, calib_images, Path(folder), output)
        both: list[Statistics] = []
        for backend in ("onnx", "simulator"):
            output.note(f"{model}: {backend}")
            with load(bundle, backend=backend) as predictor:
                metric = TASKS[predictor.spec.task].metric
                both.append(statistics(predictor, labelled))
    fp32, int8 = resampled(both[0], both[1], metric, resamples)
    losses = fp32 - int8
    kept = 100 * int8 / fp32
    between = *np.percentile(losses[1:], [2.5, 97.5]), kept[0], *np.percentile(kept[1:], [2.5, 97.5])
    figures = fp32[0], int8[0], losses[0], losses[1:].std(), *between, time.monotonic() - begun
    return Row(model, metric, len(both[0]["conf"]), *(round(float(v), 2) for v in figures))


def main(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Zoo names.")],
    data: DataFolder,
    calib_images: CalibImages = DEFAULT_PICTURES,
    resamples: Annotated[int, typer.Option(min=10, help="How many draws.")] = 400,
    record: Annotated[bool, typer.Option("--record", help="Keep what INT8 keeps in models/measured/.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Loss of mAP by INT8, and how sure it is."""
    with reporting_errors(Output(json, quiet)) as output:
        rows = []
        for model in models:
            rows.append(compare(model, data.resolve(), calib_images, resamples, output))
            if record:
                keep_retention(model, rows[-1].retention())
                PAGE.write_text(page(), "utf-8")
    lines = ["| model | metric | pictures | fp32 | INT8 | loss | ± | 95 % | kept % | 95 % |"]
    lines.append("|---|---|---:|---:|---:|---:|---:|---|---:|---|")
    for r in rows:
        figures = f"{r.images} | {r.fp32} | {r.int8} | {r.loss} | {r.deviation} | {r.low:.2f} to {r.high:.2f}"
        kept = f"{r.kept:.1f} | {r.kept_low:.1f} to {r.kept_high:.1f}"
        lines.append(f"| {r.model} | {r.metric} | {figures} | {kept} |")
    output.emit([asdict(row) for row in rows], "\n".join(lines))


if __name__ == "__main__":
    typer.run(main)
