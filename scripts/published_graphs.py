#!/usr/bin/env python3
"""Builds the graphs whose speeds Rockchip publishes again, for the compiler's figures in `boards/published.py`.

    python scripts/published_graphs.py yolo11s yolov8n-obb --soc rk3566

The graphs are those of `peers.py`, with untrained weights, built by the vendor's plain build from two drawn pictures:
neither weights nor ranges matter to the compiler's table. Each row is printed as soon as it is there, beside what is
recorded; the exit code is 1 where one differs.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from peers import ZOO
from placing import untrained
from plain_build import PlainBuild

from rknn_zoo_e2e.boards.published import FIGURES, Published, published
from rknn_zoo_e2e.checkpoint.source import load_source
from rknn_zoo_e2e.cli.ui.failures import reporting_errors
from rknn_zoo_e2e.cli.ui.options import Debug, Json, Quiet
from rknn_zoo_e2e.cli.ui.output import Output
from rknn_zoo_e2e.errors import UsageError
from rknn_zoo_e2e.quantization.calibration import from_shapes
from rknn_zoo_e2e.toolkit.buildlog import placement
from rknn_zoo_e2e.toolkit.job import BuildJob
from rknn_zoo_e2e.zoo import catalogue, resolve


def built(graph: Published, folder: Path) -> dict[str, Any]:
    """What the compiler says of it: the key points of pose in fp16, as Rockchip's script has them, all else in INT8."""
    source = resolve(str(untrained(graph.model, folder, catalogue()[graph.model].classes)))
    _, spec = load_source(source, (640, 640))
    peer, path = ZOO[spec.task](source, spec), folder / "model.onnx"
    peer.export(path)
    pictures = from_shapes(2, pose=False).write(folder / "calibration", spec.imgsz)
    with PlainBuild(BuildJob(path, graph.soc, "int8", peer.hybrid(path), pictures)) as build:
        return placement(build.log)


def figures(where: dict[str, Any]) -> dict[str, Any]:
    """What of a placement is recorded."""
    cpu = sorted((x["op"], x["shape"]) for x in where["cpu"])
    return {"cycles": where["cycles"], "traffic_kb": where["traffic_kb"], "cpu": [list(pair) for pair in cpu]}


def main(
    models: Annotated[list[str] | None, typer.Argument(metavar="[MODEL]...", help="Default: all.")] = None,
    soc: Annotated[list[str] | None, typer.Option("--soc", help="Rockchip SoC; repeat. Default: all.")] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """The compiler's figures of the graphs with published speeds, built again."""
    with reporting_errors(Output(json, quiet, debug)) as output:
        wanted = [g for g in published() if g.model in (models or FIGURES) and g.soc in (soc or FIGURES["yolov8n"])]
        if not wanted:
            raise UsageError("No speed is published for that.", f"Choose among: {', '.join(FIGURES)}.")
        rows = []
        for graph in wanted:
            with tempfile.TemporaryDirectory(prefix="e2erknn-") as folder:
                now, recorded = figures(built(graph, Path(folder))), figures(graph.placement)
            output.note(f"{graph.model} {graph.soc}: {now}{'' if now == recorded else f', recorded: {recorded}'}")
            rows.append({"model": graph.model, "soc": graph.soc, "now": now, "recorded": recorded})
        output.emit(rows, f"{sum(row['now'] == row['recorded'] for row in rows)} of {len(rows)} as recorded")
        if any(row["now"] != row["recorded"] for row in rows):
            raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
