"""``e2erknn report``, as it is typed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rknn_zoo_e2e.cli.ui.failures import reporting_errors
from rknn_zoo_e2e.cli.ui.options import PATH, Debug, Json, Quiet
from rknn_zoo_e2e.cli.ui.output import Output


def report(
    bundle: Annotated[
        Path | None,
        typer.Argument(
            help="Bundle, or a folder of bundles to compare. Default: the newest here.",
            metavar="[BUNDLE]",
            parser=PATH["parser"],
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The page; one that is there is replaced.", **PATH)] = Path(
        "report.html"
    ),
    calib: Annotated[
        Path | None,
        typer.Option(
            "--calib",
            "--data",
            help="Pictures to run fp32 and the builds on: folder, data.yaml or list. Six are drawn into the page; the "
            "bundle keeps figures alone.",
            **PATH,
        ),
    ] = None,
    calib_images: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="How many of them, spread evenly. Default: 40.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write one page about a bundle: speed, cost and error by layer, agreement with fp32, checksums. Needs no network.

    Example: e2erknn report yolov8n_rknn_model --calib pictures/
    """
    with reporting_errors(Output(json, quiet, debug), locals()) as output:
        from rknn_zoo_e2e.cli.report import write_page

        write_page(output, bundle, out, calib, calib_images)
