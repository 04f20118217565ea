"""``e2erknn inspect``: what is inside a bundle."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from rknn_zoo_e2e.boards.probe import board_soc
from rknn_zoo_e2e.bundle.reader import MAKE_ONE, check_file, newest, read_bundle
from rknn_zoo_e2e.cli.ui.output import Output
from rknn_zoo_e2e.cli.ui.tables import artifact_table, measurements, predictions
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.tasks.registry import task_of


def inspect_bundle(output: Output, bundle: Path | None) -> None:
    """Compares every file with its checksum, then shows tables of artifacts and outputs."""
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
    for tensor in task_of(read.spec).form.outputs:
        first = 0
        for part in tensor.channels:
            outputs.add_row(tensor.name, f"{first}..{first + part.count - 1}", part.kind, part.coordinates)
            first += part.count
    lines = [
        f"{a.soc} {a.precision} on the CPU: {x['op']} {x['name']} {x['shape']}"
        for a in read.artifacts
        for x in a.placement.get("cpu", ())
    ]
    sums = [f"{a.sha256}  {a.file}" for a in read.artifacts]
    facts = read.metadata()
    keys = ("imgsz", "contract", "outputs", "weights_sha256", "onnx_layout", "onnx_sha256", "versions")
    document = read.report() | {key: facts.get(key) for key in keys}
    versions = ", ".join(f"{name} {version}" for name, version in (facts.get("versions") or {}).items())
    tables = artifact_table(read, read.artifacts), outputs
    speed = [*predictions(read.artifacts), *measurements(read.artifacts)]
    output.emit(document, *tables, *speed, *lines, f"Made with {versions}.", *sums)
