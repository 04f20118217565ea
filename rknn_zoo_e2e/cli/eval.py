"""``e2erknn eval``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rknn_zoo_e2e.cli.ui.options import PATH, Backend, Precision, SocOf, Trust, soc_named
from rknn_zoo_e2e.cli.ui.output import Debug, Json, Quiet, emit, note

if TYPE_CHECKING:
    from rknn_zoo_e2e.bundle.model import Artifact


def evaluate(
    model: Annotated[str, typer.Argument(help="Bundle, zoo name or .pt file.")],
    data: Annotated[Path, typer.Option(help="data.yaml of an Ultralytics data set.", **PATH)],
    backend: Backend = "auto",
    soc: SocOf = None,
    precision: Precision = None,
    split: Annotated[str, typer.Option(help="val, test or train.")] = "val",
    images: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Only the first so many pictures. Default: all.")
    ] = None,
    imgsz: Annotated[str | None, typer.Option(help="Input size for --backend torch. Default: as trained.")] = None,
    trust: Trust = False,
    no_keep: Annotated[
        bool, typer.Option("--no-keep", help="Do not note the figures in the bundle, for its card.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure mAP on a labelled data set, as Ultralytics' val does, with any backend.

    Example: e2erknn eval yolov8n_rknn_model --data coco.yaml --backend simulator --soc rk3566
    """
    from rich.table import Table

    from rknn_zoo_e2e.cli.ui.progress import StageProgress
    from rknn_zoo_e2e.measure.evaluate import evaluate as run
    from rknn_zoo_e2e.runtime.loading import load
    from rknn_zoo_e2e.runtime.options import one_of
    from rknn_zoo_e2e.runtime.registry import BACKENDS

    soc = soc_named(soc)
    with StageProgress() as progress:
        follow = progress.of(model)
        split = one_of(("val", "test", "train"), split, "a split")
        with load(model, backend, soc, precision, imgsz, on_stage=follow, trusted=trust) as predictor:
            name = predictor.backend
            found = run(predictor, data, split, images, lambda done, total: follow(name, done / total))
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
    emit(document, table)
    if artifact and not no_keep:
        keep_figures(model, artifact, name, data, found)


def keep_figures(model: str, artifact: Artifact, backend: str, data: Path, found: dict[str, Any]) -> None:
    """Notes what was measured in the bundle's metadata, in place of an earlier run on the same data and backend."""
    from rknn_zoo_e2e.bundle.reader import is_bundle, read_bundle
    from rknn_zoo_e2e.bundle.writer import write_bundle
    from rknn_zoo_e2e.errors import UserError
    from rknn_zoo_e2e.files.lock import locked
    from rknn_zoo_e2e.runtime.loading import find_bundle

    folder = None if model.startswith("hf:") else find_bundle(model)
    if folder is None or not is_bundle(folder):
        return
    data_name = data.resolve().parent.name if data.stem == "data" else data.stem
    run = {"backend": backend, "data": data_name, **found}
    try:
        with locked(folder, "eval", note):
            bundle = read_bundle(folder)
            for one in bundle.artifacts:
                if one.sha256 == artifact.sha256:  # not one that was built meanwhile
                    others = [r for r in one.evaluations if (r["backend"], r["data"]) != (backend, data_name)]
                    one.evaluations = [*others, run]
            write_bundle(bundle, {})
    except UserError as error:
        note(f"The figures are not kept: {error.what}")
    else:
        note(f"Noted in {folder}, for its model card.")
