"""``e2erknn eval``: mAP on a labelled data set."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from rknn_zoo_e2e.cli.ui.output import Output
from rknn_zoo_e2e.cli.ui.progress import StageProgress
from rknn_zoo_e2e.cli.ui.soc import soc_named
from rknn_zoo_e2e.measure.evaluation import evaluate_model as run
from rknn_zoo_e2e.runtime.options import LoadOptions


def evaluate_model(
    output: Output,
    model: str,
    data: Path,
    backend: str,
    soc: str | None,
    precision: str | None,
    split: str,
    images: int | None,
    imgsz: str | None,
    trust: bool,
    no_keep: bool,
    half: str | None,
) -> None:
    """Evaluates, shows a table of metrics, and notes the figures in the bundle unless ``no_keep``."""
    soc = soc_named(soc, output)
    with StageProgress(output) as progress:
        options = LoadOptions.of(model, backend, soc, precision, imgsz, on_stage=progress.of(model), trusted=trust)
        evaluation = run(options, data, split, images, half, progress.note)
    document = evaluation.report()
    part = f"{evaluation.half} half of " if evaluation.half else ""
    title = f"{evaluation.spec.name} on {part}{data}, {document['images']} pictures, {evaluation.backend}"
    if evaluation.left_out:
        output.note(f"{evaluation.left_out} pictures of {data} are calibration pictures, too: left out.")
    table = Table(title=title, title_justify="left")
    for heading in ("metric", "mAP50", "mAP50-95"):
        table.add_column(heading, justify="left" if heading == "metric" else "right")
    for kind, values in document["metrics"].items():
        table.add_row(kind, f"{values['map50']:.4f}", f"{values['map']:.4f}")
    if not no_keep:  # before anything is shown: who reads it may have read enough
        evaluation.keep(output.note)
    output.emit(document, table)
