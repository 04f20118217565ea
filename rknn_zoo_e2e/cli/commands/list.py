"""``e2erknn list``, as it is typed."""

from __future__ import annotations

from typing import Annotated

import typer

from rknn_zoo_e2e.cli.ui.failures import reporting_errors
from rknn_zoo_e2e.cli.ui.options import Debug, Json, Quiet
from rknn_zoo_e2e.cli.ui.output import Output


def list_models(
    pattern: Annotated[str, typer.Argument(help="Shell pattern, or part of a name.")] = "*",
    task: Annotated[str | None, typer.Option(help="Only detect, pose, segment or obb.")] = None,
    soc: Annotated[str | None, typer.Option(help="Show the speed predicted on this SoC, where it can be.")] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """List the models of the zoo.

    Example: e2erknn list 'yolo11*-seg'

    Example: e2erknn list 'yolo*n' --soc rk3588
    """
    with reporting_errors(Output(json, quiet, debug), locals()) as output:
        from rknn_zoo_e2e.cli.list import show_models

        show_models(output, pattern, task, soc)
