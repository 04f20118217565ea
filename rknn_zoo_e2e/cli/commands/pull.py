"""``e2erknn pull``, as it is typed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rknn_zoo_e2e.cli.ui.failures import reporting_errors
from rknn_zoo_e2e.cli.ui.options import PATH, Debug, Json, Quiet
from rknn_zoo_e2e.cli.ui.output import Output


def pull(
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Repo on the Hub; @REVISION after it is possible.")],
    soc: Annotated[
        str | None, typer.Option(help="Which SoC's build. Default: this board's, else the only one.")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="int8 or fp16. Default: int8 if there is one.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder the bundle goes into.", **PATH)] = Path(),
    whole: Annotated[
        bool,
        typer.Option("--whole", help="On a board, too, all of it: for --backend onnx. Elsewhere that is the default."),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace another bundle of that name.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Fetch a published bundle: only what one SoC needs, every file compared with its checksum.

    Example: e2erknn pull me/yolov8n-rknn --soc rk3566
    """
    with reporting_errors(Output(json, quiet, debug), locals()) as output:
        from rknn_zoo_e2e.cli.pull import pull_bundle

        pull_bundle(output, repo, soc, precision, out, whole, overwrite)
