"""``e2erknn inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rknn_zoo_e2e.cli.ui.options import PATH
from rknn_zoo_e2e.cli.ui.output import Debug, Json, Quiet, emit


def inspect(
    bundle: Annotated[
        Path | None,
        typer.Argument(help="Bundle folder. Default: the newest here.", metavar="[BUNDLE]", parser=PATH["parser"]),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Show what is inside a bundle: placement, traffic, cycles, outputs, parity, versions, checksums.

    Example: e2erknn inspect yolov8n-pose_rknn_model
    """
    from rich.table import Table

    from rknn_zoo_e2e.boards.probe import board_soc
    from rknn_zoo_e2e.bundle.reader import MAKE_ONE, check_file, newest, read_bundle
    from rknn_zoo_e2e.cli.ui.tables import artifact_table
    from rknn_zoo_e2e.errors import UserError
    from rknn_zoo_e2e.tasks.registry import task_of

    path = bundle or newest(Path())
    if path is None:
        raise UserError("There is no bundle in this folder.", MAKE_ONE)
    read = read_bundle(path)
    runs = {artifact.file for artifact in read.artifacts}
    for name, expected in read.checksums.items():
        if name in runs or (path / name).exists() or not board_soc():  # a board pulls only what it runs
            check_file(read, name, expected)
    outputs = Table(title="Outputs", title_justify="left")
    for heading in ("name", "channels", "kind", "values"):
        outputs.add_column(heading, overflow="fold")
    for output in task_of(read.spec).outputs:
        first = 0
        for part in output.channels:
            outputs.add_row(output.name, f"{first}..{first + part.count - 1}", part.kind, part.coordinates)
            first += part.count
    lines = [
        f"{a.soc} {a.precision} on the CPU: {x['op']} {x['name']} {x['shape']}"
        for a in read.artifacts
        for x in a.placement.get("cpu", ())
    ]
    sums = [f"{a.sha256}  {a.file}" for a in read.artifacts]
    facts = read.metadata()
    keys = ("layout", "imgsz", "outputs", "weights_sha256", "onnx_sha256", "versions")
    document = read.report() | {key: facts.get(key) for key in keys}
    versions = ", ".join(f"{name} {version}" for name, version in (facts.get("versions") or {}).items())
    emit(document, artifact_table(read, read.artifacts), outputs, *lines, f"Made with {versions}.", *sums)
