"""``e2erknn eval``, as it is typed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rknn_zoo_e2e.cli.ui.failures import reporting_errors
from rknn_zoo_e2e.cli.ui.options import PATH, Backend, Debug, Json, Precision, Quiet, SocOf, Trust
from rknn_zoo_e2e.cli.ui.output import Output


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
    half: Annotated[
        str | None,
        typer.Option(
            help="choosing or confirming: only that half of the pictures, as convert --max-drop splits them. "
            "Default: all."
        ),
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
    with reporting_errors(Output(json, quiet, debug), locals()) as output:
        from rknn_zoo_e2e.cli.eval import evaluate_model

        evaluate_model(
            output,
            model=model,
            data=data,
            backend=backend,
            soc=soc,
            precision=precision,
            split=split,
            images=images,
            imgsz=imgsz,
            trust=trust,
            no_keep=no_keep,
            half=half,
        )
