"""``e2erknn demo``, as it is typed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rknn_zoo_e2e.cli.ui.failures import reporting_errors
from rknn_zoo_e2e.cli.ui.options import PATH, Backend, Cores, Debug, Json, Model, Precision, Quiet, SocOf, Trust
from rknn_zoo_e2e.cli.ui.output import Output


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
    with reporting_errors(Output(json, quiet, debug), locals()) as output:
        from rknn_zoo_e2e.cli.demo import run_demo

        run_demo(
            output,
            sources=sources,
            model=model,
            backend=backend,
            soc=soc,
            precision=precision,
            cores=cores,
            conf=conf,
            iou=iou,
            max_det=max_det,
            classes=classes,
            imgsz=imgsz,
            out=out,
            save=save,
            trust=trust,
            show=show,
        )
