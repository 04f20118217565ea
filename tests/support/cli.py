"""Commands in a process of their own."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

COMMAND = [sys.executable, "-m", "rknn_zoo_e2e"]


def run(*args: object, cwd: Path, **kwargs) -> subprocess.CompletedProcess:
    """The CLI in a process of its own, as users run it."""
    return subprocess.run([*COMMAND, *map(str, args)], capture_output=True, text=True, cwd=cwd, **kwargs)


def cpu_seconds() -> float:
    """Processor time of all finished children: unlike the clock's it does not grow while other programs run."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
