"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rknn_zoo_e2e.cli.ui.output import stderr
from rknn_zoo_e2e.errors import UsageError
from rknn_zoo_e2e.files.paths import user_path


def _path(text: str) -> Path:
    try:
        return user_path(text, "The path")
    except UsageError as error:
        raise typer.BadParameter(str(error)) from None


PATH: dict[str, Any] = {"parser": _path, "metavar": "PATH"}  # of every path: a shell leaves ~ after = as it is

Model = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", help="Bundle, hf:owner/name, zoo name or .pt. Default: newest bundle here, else yolov8n."
    ),
]
Backend = Annotated[
    str,
    typer.Option(help="auto, board, native, simulator, onnx or torch. auto: the NPU on a board, else the simulator."),
]
SocOf = Annotated[
    str | None, typer.Option("--soc", help="Which SoC's artifact of a bundle. Default: this board's, else its first.")
]
Precision = Annotated[str | None, typer.Option(help="Which precision of a bundle. Default: its first.")]
Cores = Annotated[
    str, typer.Option(help="NPU cores to share the work among: auto, all or a number. On a PC: copies of the runtime.")
]


def _warn(value: bool) -> bool:
    if value:
        stderr().print("Warning: code in the .pt file, if there is any, runs with all your rights.", soft_wrap=True)
    return value


Trust = Annotated[
    bool,
    typer.Option(
        "--trust-checkpoint",
        help="Load a .pt without restriction, code in it included: only if you trust who made it.",
        callback=_warn,
    ),
]

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, all else on stderr.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no tables.")]
Debug = Annotated[
    bool,
    typer.Option(
        "--debug",
        help="Write a report to attach to an issue: versions, options, vendor's log, traceback; no tokens, no paths "
        "but those given.",
    ),
]
