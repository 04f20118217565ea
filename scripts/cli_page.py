#!/usr/bin/env python3
"""Writes docs/cli.md, the page of the command line, from what each command's --help prints.

    python scripts/cli_page.py

The same on every terminal: 100 columns, no colours. tests/test_cli_page.py fails where the page is not what this makes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rknn_zoo_e2e.cli.app import COMMANDS

PAGE = Path(__file__).parent.parent / "docs" / "cli.md"
AS_TYPED = "import sys; sys.argv[0] = 'e2erknn'; from rknn_zoo_e2e.cli import main; main()"
# What typer and rich ask about a terminal: all of it, so that nothing of this one is left.
TERMINAL = {
    "TERMINAL_WIDTH": "100",
    "COLUMNS": "100",
    "TERM": "dumb",
    "NO_COLOR": "1",
    "_TYPER_FORCE_DISABLE_TERMINAL": "1",
    "PYTHONIOENCODING": "utf-8",
}
FORCING = ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
INTRODUCTION = """\
# The command line

What `--help` prints, command by command; written by `python scripts/cli_page.py`. Exit codes: 0 done, 1 it failed,
2 wrong use, 130 interrupted. An error is two sentences: what is wrong, and what to type next.
"""


def help_of(*command: str) -> str:
    """What ``e2erknn COMMAND --help`` prints, without space at the ends of lines."""
    environment = {name: value for name, value in os.environ.items() if name not in FORCING} | TERMINAL
    words = [sys.executable, "-c", AS_TYPED, *command, "--help"]
    out = subprocess.run(words, env=environment, capture_output=True, encoding="utf-8", check=True).stdout
    return "\n".join(line.rstrip() for line in out.strip().splitlines())


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION, f"```text\n{help_of()}\n```\n"]
    parts += [f"## {name}\n\n```text\n{help_of(name)}\n```\n" for name in COMMANDS]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    print(f"Written: {PAGE}")
