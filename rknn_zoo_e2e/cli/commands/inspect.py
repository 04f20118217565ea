"""``e2erknn inspect``, as it is typed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rknn_zoo_e2e.cli.ui.failures import reporting_errors
from rknn_zoo_e2e.cli.ui.options import PATH, Debug, Json, Quiet
from rknn_zoo_e2e.cli.ui.output import Output


def inspect(
    bundle: Annotated[
        Path | None,
        typer.Argument(help="Bundle folder. Default: the newest here.", metavar="[BUNDLE]", parser=PATH["parser"]),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Show what is inside a bundle: placement, traffic, cycles, predicted speed, outputs, parity, checksums.

    Example: e2erknn inspect yolov8n-pose_rknn_model
    """
    with reporting_errors(Output(json, quiet, debug), locals()) as output:
        from rknn_zoo_e2e.cli.inspect import inspect_bundle

        inspect_bundle(output, bundle)
