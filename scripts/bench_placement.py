#!/usr/bin/env python3
"""Which operators stay on the CPU, and how many cycles a picture takes: models x input sizes x SoCs.

    python scripts/bench_placement.py placement.jsonl yolov8n yolov8n-obb --soc rv1106 --imgsz 640 --imgsz 384,640

Built as `e2erknn convert` builds, but from two drawn pictures and without verifying: weights and ranges do not matter
to placement. Every row goes into the given file (JSON lines) as soon as it is there; the same command goes on where it
was stopped. A row is built again when its graph has changed; after a change to `rknn_zoo_e2e/toolkit` give another
file. Markdown on stdout, or JSON with --json.
"""

from __future__ import annotations

import json as jsonlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from placing import builds, placement_of

from rknn_zoo_e2e.boards.soc import SOCS, Soc
from rknn_zoo_e2e.cli.ui.failures import reporting_errors
from rknn_zoo_e2e.cli.ui.options import Debug, Json, Quiet
from rknn_zoo_e2e.cli.ui.output import Output
from rknn_zoo_e2e.conversion.build import Build
from rknn_zoo_e2e.conversion.fingerprint import package_versions
from rknn_zoo_e2e.conversion.options import Options
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.checksum import sha256
from rknn_zoo_e2e.zoo import resolve

SIZES = ("320", "416", "512", "640", "736", "960", "1024", "1280", "384,640", "480,640", "640,384")


@dataclass(frozen=True)
class Row:
    """One build.

    Attributes:
        imgsz: "height,width" in px.
        graph: sha256 of the ONNX file it was built from.
        cpu: "operator shape" of each that is not on the NPU.
        error: why there is nothing more.
    """

    model: str
    imgsz: str
    soc: str
    layout: str
    graph: str
    npu: int = 0
    cpu: tuple[str, ...] = ()
    cycles: int = 0
    traffic_kb: int = 0
    error: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        return self.model, self.imgsz, self.soc, self.layout, self.graph

    @property
    def cell(self) -> str:
        """Operators on the CPU, millions of cycles."""
        return self.error or f"{len(self.cpu)} · {self.cycles / 1e6:.2f}"


class Cache:
    """Rows in a file, one a line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        rows = [Row(**{**row, "cpu": tuple(row["cpu"])}) for row in map(jsonlib.loads, lines)]
        self.rows = {row.key: row for row in rows if not row.error}

    def add(self, row: Row) -> None:
        self.rows[row.key] = row
        with self.path.open("a", encoding="utf-8") as file:
            file.write(jsonlib.dumps(asdict(row)) + "\n")


def rows_of(model: str, options: Options, cache: Cache, output: Output) -> Iterator[Row]:
    """One row a SoC, built or from the cache."""
    assert options.imgsz is not None and options.layout is not None
    size = "{},{}".format(*options.imgsz)
    with builds(resolve(model), options) as of_model:
        digests = {path: sha256(path) for path in {build.job.onnx for build in of_model}}
        for build in of_model:
            row = Row(Path(model).stem, size, build.job.soc, options.layout, digests[build.job.onnx])
            if row.key not in cache.rows:
                cache.add(placed(row, build, output))
            yield cache.rows[row.key]


def placed(row: Row, build: Build, output: Output) -> Row:
    """The row with what the compiler's table says."""
    output.note(f"{row.model} {row.imgsz} {row.soc}")
    try:
        found = placement_of(build)
    except UserError as error:
        return replace(row, error=error.what)
    cpu = tuple(f"{op['op']} {op['shape']}" for op in found["cpu"])
    return replace(row, cpu=cpu, **{key: found[key] for key in ("npu", "cycles", "traffic_kb")})


def markdown(rows: Sequence[Row], socs: Sequence[Soc]) -> str:
    """A line for each model and size, a column for each SoC, and below it what is on the CPU."""
    names = [soc.name for soc in socs]
    lines = [f"| CPU ops · Mcycles | px | {' | '.join(names)} |", "|---" * (2 + len(names)) + "|"]
    cells = {(row.model, row.imgsz, row.soc): row.cell for row in rows}
    for model, size in dict.fromkeys((row.model, row.imgsz) for row in rows):
        px = size.replace(",", "x")
        lines.append(f"| {model} | {px} | {' | '.join(cells.get((model, size, name), '') for name in names)} |")
    left = Counter((row.model, row.imgsz, row.soc, op) for row in rows for op in row.cpu)
    lines += ["", *(f"- {model} {size} {soc}: {n} x {op}" for (model, size, soc, op), n in left.items())]
    return "\n".join(lines)


def main(
    cache: Annotated[Path, typer.Argument(help="File the rows are kept in; made where it is not there.")],
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Zoo names or .pt files.")],
    soc: Annotated[list[str] | None, typer.Option("--soc", help="Rockchip SoC; repeat. Default: all.")] = None,
    imgsz: Annotated[list[str] | None, typer.Option("--imgsz", help="Side, or height,width, in px; repeat.")] = None,
    layout: Annotated[str, typer.Option(help="flat or grid.")] = "grid",
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Placement of models at many sizes on many SoCs."""
    with reporting_errors(Output(json, quiet, debug)) as output:
        ways = [
            Options.of(soc or SOCS, imgsz=size, layout=layout, verify=False, say=output.note) for size in imgsz or SIZES
        ]
        kept = Cache(cache)
        rows = [row for model in models for options in ways for row in rows_of(model, options, kept, output)]
        document = {"versions": package_versions(), "rows": [asdict(row) for row in rows]}
        output.emit(document, markdown(rows, ways[0].socs))
        if any(row.error for row in rows):
            raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
