"""docs/cli.md is what the commands say of themselves, on whatever terminal it is made."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from cli_page import COMMANDS, PAGE, help_of, page


@pytest.mark.slow
def test_the_page_is_what_help_prints():
    assert PAGE.read_text("utf-8") == page(), "Write it anew: python scripts/cli_page.py"


def test_a_terminal_changes_nothing(monkeypatch):
    before = help_of("convert")
    for name, value in {"COLUMNS": "60", "TERMINAL_WIDTH": "70", "FORCE_COLOR": "1", "GITHUB_ACTIONS": "1"}.items():
        monkeypatch.setenv(name, value)
    assert help_of("convert") == before
    assert "\x1b" not in before and max(map(len, before.splitlines())) <= 100


def test_every_command_is_there():
    headings = [line[3:] for line in PAGE.read_text("utf-8").splitlines() if line.startswith("## ")]
    assert headings == [*COMMANDS]
