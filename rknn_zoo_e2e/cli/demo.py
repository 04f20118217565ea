"""``e2erknn demo``: a model on pictures, videos and cameras."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import typer

from rknn_zoo_e2e.cli.media.annotate import Annotator
from rknn_zoo_e2e.cli.media.sources import find_sources
from rknn_zoo_e2e.cli.ui.output import Output
from rknn_zoo_e2e.cli.ui.progress import StageProgress
from rknn_zoo_e2e.cli.ui.soc import soc_named
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.media.window import Window
from rknn_zoo_e2e.runtime.base import RuntimeGone
from rknn_zoo_e2e.runtime.loading import load
from rknn_zoo_e2e.tasks.base import Thresholds


def run_demo(
    output: Output,
    sources: list[str],
    model: str | None,
    backend: str,
    soc: str | None,
    precision: str | None,
    cores: str,
    conf: float,
    iou: float,
    max_det: int,
    classes: list[str] | None,
    imgsz: str | None,
    out: Path,
    save: bool,
    trust: bool,
    show: bool,
) -> None:
    """Draws what the model finds, and says it line by line or in one document.

    Raises:
        UserError: a source could not be used; the others have been.
    """
    soc = soc_named(soc, output)
    found = find_sources(sources)
    live = found[0].live
    if cores.strip().lower() == "auto":  # one still picture is not worth loading the model on every core
        cores = "all" if len(found) > 1 or found[0].video else "1"
    thresholds = Thresholds(conf, iou, max_det, tuple(classes) if classes else None)
    interrupted = False
    with ExitStack() as stack:
        progress = stack.enter_context(StageProgress(output))
        loading = model or "model"
        follow = progress.of(loading)
        window = stack.enter_context(Window("e2erknn demo")) if show else None
        predictor = stack.enter_context(load(model, backend, soc, precision, imgsz, thresholds, cores, follow, trust))
        progress.done(loading)
        run = Annotator(predictor, loading, progress, out if save else None, window, keep=output.json)
        try:
            run.run(found)
        except KeyboardInterrupt:
            interrupted = True
        images = {"images": run.images, "failed": run.failed}
        document = {"model": predictor.spec.name, "backend": predictor.backend, **images}
    if run.error and len(found) == 1:
        raise run.error
    output.emit(document)
    if interrupted:
        output.note("Interrupted: what is listed above is kept.")
        raise typer.Exit(0 if live else 130)
    if isinstance(run.error, RuntimeGone):
        raise run.error
    if run.error:
        raise UserError(f"{run.failures} of {len(found)} sources could not be used.", f"First: {run.error.what}")
