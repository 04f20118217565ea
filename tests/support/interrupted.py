"""Conversions that are stopped in the middle."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from support.cli import COMMAND, PATIENCE

SIX = ("shapes", "shapes-pose", *(part for soc in ("rk3566", "rk3588", "rv1106") for part in ("--soc", soc)))


@dataclass(frozen=True)
class Resumed:
    """What became of six builds interrupted after the second, and of the same command again."""

    folder: Path
    interrupted: subprocess.CompletedProcess
    kept: tuple[str, ...]
    again: subprocess.CompletedProcess


def stop_after(number: int, done: int, args: Sequence[str], cwd: Path) -> subprocess.CompletedProcess:
    """Runs the CLI and sends it a signal as soon as so many builds are done."""
    process = subprocess.Popen([*COMMAND, *args], cwd=cwd, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    lines = []
    for line in process.stderr:
        lines.append(line)
        done -= line.endswith(": done\n")
        if not done:
            break
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)
    return subprocess.CompletedProcess(process.args, process.returncode, out, "".join(lines) + err)
