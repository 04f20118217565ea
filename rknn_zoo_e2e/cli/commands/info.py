"""``e2erknn info``, as it is typed."""

from __future__ import annotations

from typing import Annotated

import typer

from rknn_zoo_e2e.cli.ui.failures import reporting_errors
from rknn_zoo_e2e.cli.ui.options import Debug, Json, Quiet, Trust
from rknn_zoo_e2e.cli.ui.output import Output


def info(
    model: Annotated[str, typer.Argument(help="Zoo name, .pt file or bundle.")],
    trust: Trust = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Show one model: task, classes, input, head, outputs, size, accuracy, and where its weights come from.

    Nothing is fetched for it: a model whose weights are not here is shown as its card says.

    Example: e2erknn info yolov8n-pose
    """
    with reporting_errors(Output(json, quiet, debug), locals()) as output:
        from rknn_zoo_e2e.cli.info import show_model

        show_model(output, model, trust)
