"""``e2erknn analyze``, as it is typed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rknn_zoo_e2e.cli.ui.failures import reporting_errors
from rknn_zoo_e2e.cli.ui.options import PATH, Debug, Json, Quiet, Trust
from rknn_zoo_e2e.cli.ui.output import Output


def analyze(
    model: Annotated[
        str, typer.Argument(metavar="MODEL|BUNDLE", help="Bundle, or a zoo name or .pt file, which is converted first.")
    ],
    soc: Annotated[str | None, typer.Option("--soc", help="Rockchip SoC. Default: the bundle's first.")] = None,
    calib: Annotated[
        Path | None,
        typer.Option(help="Pictures to measure on: a folder, a data.yaml or a list.txt. Default: the zoo's.", **PATH),
    ] = None,
    calib_images: Annotated[int, typer.Option(metavar="N", min=2, help="How many of them to use.")] = 8,
    all_int8: Annotated[
        bool,
        typer.Option("--all-int8", help="As if all but the decoding of boxes were INT8, instead of as it was built."),
    ] = False,
    check: Annotated[
        int,
        typer.Option(metavar="N", min=0, help="Build with each of the N worst blocks out of INT8, for its true cost."),
    ] = 0,
    trust: Trust = False,
    no_keep: Annotated[bool, typer.Option("--no-keep", help="Do not put the figures into the bundle.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Show what INT8 costs each block of a model in accuracy, and what leaving INT8 there would cost in speed.

    Example: e2erknn analyze yolo11n --soc rk3566
    """
    with reporting_errors(Output(json, quiet, debug), locals()) as output:
        from rknn_zoo_e2e.toolkit.client import require_toolkit

        require_toolkit()  # before what needs onnx is imported
        from rknn_zoo_e2e.cli.analyze import analyze_model

        analyze_model(
            output,
            model=model,
            soc=soc,
            calib=calib,
            calib_images=calib_images,
            all_int8=all_int8,
            check=check,
            trust=trust,
            no_keep=no_keep,
        )
