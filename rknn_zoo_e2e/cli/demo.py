"""``e2erknn demo``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from rknn_zoo_e2e.cli.ui.options import PATH, Backend, Cores, Model, Precision, SocOf, Trust, soc_named
from rknn_zoo_e2e.cli.ui.output import Debug, Json, Quiet, emit, note, settings


def demo(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Pictures, videos, folders, glob patterns, a camera's number, the address of a picture or stream.",
        ),
    ],
    model: Model = None,
    backend: Backend = "auto",
    soc: SocOf = None,
    precision: Precision = None,
    cores: Cores = "auto",
    conf: Annotated[float, typer.Option(min=0, max=1, help="Least score.")] = 0.25,
    iou: Annotated[float, typer.Option(min=0, max=1, help="Overlap above which the weaker box goes.")] = 0.7,
    max_det: Annotated[int, typer.Option(min=1, help="Most detections a picture.")] = 300,
    classes: Annotated[
        list[str] | None,
        typer.Option(metavar="CLASS", help="Only this class, by name or id; several with commas, or repeat it."),
    ] = None,
    imgsz: Annotated[str | None, typer.Option(help="Input size for --backend torch. Default: as trained.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for what is drawn.", **PATH)] = Path("e2erknn-demo"),
    save: Annotated[bool, typer.Option("--save/--no-save", help="Save what is drawn.")] = True,
    trust: Trust = False,
    show: Annotated[bool, typer.Option("--show", help="Show it in a window; q closes it.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Run a model on pictures or a video and draw what it finds.

    Example: e2erknn demo bus.jpg --model yolov8n_rknn_model

    Example: e2erknn demo 0 --show --no-save
    """
    from rknn_zoo_e2e.cli.media.annotate import Annotator
    from rknn_zoo_e2e.cli.media.sources import find_sources
    from rknn_zoo_e2e.cli.ui.progress import StageProgress
    from rknn_zoo_e2e.errors import UserError
    from rknn_zoo_e2e.media.window import Window
    from rknn_zoo_e2e.runtime.base import RuntimeGone
    from rknn_zoo_e2e.runtime.loading import load
    from rknn_zoo_e2e.tasks.base import Thresholds

    soc = soc_named(soc)
    found = find_sources(sources)
    live = found[0].live
    if cores.strip().lower() == "auto":  # one still picture is not worth loading the model on every core
        cores = "all" if len(found) > 1 or found[0].video else "1"
    thresholds = Thresholds(conf, iou, max_det, tuple(classes) if classes else None)
    interrupted = False
    with ExitStack() as stack:
        progress = stack.enter_context(StageProgress())
        loading = model or "model"
        follow = progress.of(loading)
        window = stack.enter_context(Window("e2erknn demo")) if show else None
        predictor = stack.enter_context(load(model, backend, soc, precision, imgsz, thresholds, cores, follow, trust))
        progress.done(loading)
        run = Annotator(predictor, loading, progress, out if save else None, window, keep=settings.json)
        try:
            run.run(found)
        except KeyboardInterrupt:
            interrupted = True
        images = {"images": run.images, "failed": run.failed}
        document = {"model": predictor.spec.name, "backend": predictor.backend, **images}
    if run.error and len(found) == 1:
        raise run.error
    emit(document)
    if interrupted:
        note("Interrupted: what is listed above is kept.")
        raise typer.Exit(0 if live else 130)
    if isinstance(run.error, RuntimeGone):
        raise run.error
    if run.error:
        raise UserError(f"{run.failures} of {len(found)} sources could not be used.", f"First: {run.error.what}")
