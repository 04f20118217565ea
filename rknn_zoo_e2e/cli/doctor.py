"""``e2erknn doctor``: what fits on this machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import typer
from rich.table import Table
from rich.text import Text

from rknn_zoo_e2e.boards.environment import read_host
from rknn_zoo_e2e.boards.probe import read_board
from rknn_zoo_e2e.bundle.reader import newest, read_bundle
from rknn_zoo_e2e.cli.ui.output import Output
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.runtime.doctor import Finding, examine

STATE_COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def examine_machine(output: Output, bundle: Path | None) -> None:
    """A table of findings and, below it, how to fix what does not fit; exits 1 if anything fails."""
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
        table.add_row(finding.name, Text(finding.state, STATE_COLOURS[finding.state]), finding.what)
    failed = [finding.name for finding in findings if finding.state == "fail"]
    document = {
        "board": asdict(board) if board else None,
        "findings": [asdict(finding) for finding in findings],
        "ok": not failed,
    }
    # Below the table and never wrapped: commands and addresses are for copying.
    fixes = [f"To fix {finding.name}: {finding.fix}" for finding in findings if finding.fix]
    output.emit(document, table, *fixes, *([] if failed else ["Nothing fails."]))
    if failed:
        raise typer.Exit(1)
