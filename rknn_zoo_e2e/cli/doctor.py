"""``e2erknn doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rknn_zoo_e2e.cli.ui.options import PATH
from rknn_zoo_e2e.cli.ui.output import Debug, Json, Quiet, emit

COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red"}


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
    from dataclasses import asdict

    from rich.table import Table
    from rich.text import Text

    from rknn_zoo_e2e.boards.environment import read_host
    from rknn_zoo_e2e.boards.probe import read_board
    from rknn_zoo_e2e.bundle.reader import newest, read_bundle
    from rknn_zoo_e2e.errors import UserError
    from rknn_zoo_e2e.runtime.doctor import Finding, examine

    path, read, damage = bundle or newest(Path()), None, []
    try:
        read = read_bundle(path) if path else None
    except UserError as error:  # the machine's findings are wanted all the same
        damage = [Finding("bundle", "fail", error.what, error.fix)]
    board = read_board()
    findings = examine(read_host(), board, read) + damage
    table = Table()
    for heading in ("check", "state", "what"):
        table.add_column(heading, no_wrap=heading in ("check", "state"), overflow="fold")
    for finding in findings:
        table.add_row(finding.name, Text(finding.state, COLOURS[finding.state]), finding.what)
    failed = [finding.name for finding in findings if finding.state == "fail"]
    document = {
        "board": asdict(board) if board else None,
        "findings": [asdict(finding) for finding in findings],
        "ok": not failed,
    }
    # Below the table and never wrapped: commands and addresses are for copying.
    fixes = [f"To fix {finding.name}: {finding.fix}" for finding in findings if finding.fix]
    emit(document, table, *fixes, *([] if failed else ["Nothing fails."]))
    if failed:
        raise typer.Exit(1)
