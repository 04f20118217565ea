"""``e2erknn eval``: mAP on a labelled data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table

from rknn_zoo_e2e.bundle.model import Artifact
from rknn_zoo_e2e.bundle.reader import is_bundle, read_bundle
from rknn_zoo_e2e.bundle.writer import write_bundle
from rknn_zoo_e2e.cli.ui.output import Output
from rknn_zoo_e2e.cli.ui.progress import StageProgress
from rknn_zoo_e2e.cli.ui.soc import soc_named
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.lock import locked
from rknn_zoo_e2e.measure.evaluate import evaluate as run
from rknn_zoo_e2e.runtime.loading import find_bundle, load
from rknn_zoo_e2e.runtime.options import one_of
from rknn_zoo_e2e.runtime.registry import BACKENDS


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
) -> None:
    """Evaluates, shows a table of metrics, and notes the figures in the bundle unless ``no_keep``."""
    soc = soc_named(soc, output)
    with StageProgress(output) as progress:
        follow = progress.of(model)
        split = one_of(("val", "test", "train"), split, "a split")
        with load(model, backend, soc, precision, imgsz, on_stage=follow, trusted=trust) as predictor:
            name = predictor.backend
            found = run(predictor, data, split, images, follow)
            spec, artifact = predictor.spec, predictor.artifact
    measured = artifact if BACKENDS[name].runs_artifact else None
    document = {
        "model": spec.name,
        "backend": name,
        "soc": measured.soc if measured else None,
        "precision": measured.precision if measured else "fp32",
        "data": str(data),
        **found,
    }
    table = Table(title=f"{spec.name} on {data}, {found['images']} pictures, {name}", title_justify="left")
    for heading in ("metric", "mAP50", "mAP50-95"):
        table.add_column(heading, justify="left" if heading == "metric" else "right")
    for kind, values in found["metrics"].items():
        table.add_row(kind, f"{values['map50']:.4f}", f"{values['map']:.4f}")
    output.emit(document, table)
    if artifact and not no_keep:
        keep_figures(output, model, artifact, name, data, found)


def keep_figures(
    output: Output, model: str, artifact: Artifact, backend: str, data: Path, found: dict[str, Any]
) -> None:
    """Notes what was measured in the bundle's metadata, in place of an earlier run on the same data and backend."""
    folder = None if model.startswith("hf:") else find_bundle(model)
    if folder is None or not is_bundle(folder):
        return
    data_name = data.resolve().parent.name if data.stem == "data" else data.stem
    figures = {"backend": backend, "data": data_name, **found}
    try:
        with locked(folder, "eval", output.note):
            bundle = read_bundle(folder)
            for held in bundle.artifacts:
                if held.sha256 == artifact.sha256:  # not one that was built meanwhile
                    others = [r for r in held.evaluations if (r["backend"], r["data"]) != (backend, data_name)]
                    held.evaluations = [*others, figures]
            write_bundle(bundle, {})
    except UserError as error:
        output.note(f"The figures are not kept: {error.what}")
    else:
        output.note(f"Noted in {folder}, for its model card.")
