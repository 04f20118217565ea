"""``e2erknn doctor``, as it is typed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rknn_zoo_e2e.cli.ui.failures import reporting_errors
from rknn_zoo_e2e.cli.ui.options import PATH, Debug, Json, Quiet
from rknn_zoo_e2e.cli.ui.output import Output


def doctor(
    bundle: Annotated[
        Path | None,
        typer.Argument(
            help="Bundle folder. Default: the newest here, if any.", metavar="[BUNDLE]", parser=PATH["parser"]
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Tell what fits on this board or PC, and how to fix what does not.

    Example: e2erknn doctor yolov8n_rknn_model
    """
    with reporting_errors(Output(json, quiet, debug), locals()) as output:
        from rknn_zoo_e2e.cli.doctor import examine_machine

        examine_machine(output, bundle)
