"""Commands in a process of their own."""

from __future__ import annotations

import functools
import resource
import subprocess
import sys
from pathlib import Path

COMMAND = [sys.executable, "-m", "rknn_zoo_e2e"]
PATIENCE = 300  # s until something is called hung, and no limit of speed: an idle machine needs a tenth of it


def run(*args: object, cwd: Path, **kwargs) -> subprocess.CompletedProcess:
    """The CLI in a process of its own, as users run it."""
    return subprocess.run([*COMMAND, *map(str, args)], capture_output=True, text=True, cwd=cwd, **kwargs)


def cpu_seconds() -> float:
    """Processor time of all finished children: unlike the clock's it does not grow while other programs run."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@functools.cache
def cost_of(*modules: str) -> float:
    """Processor time of a Python that imports these and ends, least of three: what other times are held against."""
    spent = []
    for _ in range(3):
        start = cpu_seconds()
        subprocess.run([sys.executable, "-c", f"import {', '.join(modules)}"], check=True)
        spent.append(cpu_seconds() - start)
    return min(spent)
