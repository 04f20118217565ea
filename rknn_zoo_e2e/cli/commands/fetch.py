"""``e2erknn fetch``, as it is typed."""

from __future__ import annotations

from typing import Annotated

import typer

from rknn_zoo_e2e.cli.ui.failures import reporting_errors
from rknn_zoo_e2e.cli.ui.options import Debug, Json, Quiet
from rknn_zoo_e2e.cli.ui.output import Output


def fetch(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="Zoo names or shell patterns; coco128, dota128: pictures.")
    ],
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Fetch weights into the cache: from Hugging Face, else from Ultralytics' release.

    Other commands do it by themselves.

    HF_ENDPOINT, HF_TOKEN, HF_HOME and HF_HUB_OFFLINE are honoured; E2ERKNN_RELEASES names a mirror of the releases.

    Example: e2erknn fetch yolov8n 'yolo11n*' coco128
    """
    with reporting_errors(Output(json, quiet, debug), locals()) as output:
        from rknn_zoo_e2e.cli.fetch import fetch_models

        fetch_models(output, models)
