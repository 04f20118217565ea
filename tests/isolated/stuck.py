"""Verbs of a worker for tests: what a library may do to the process it runs in."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from rknn_zoo_e2e.progress import Progress

LONG = 600  # seconds


def hold_lock(_: object) -> None:
    """One call into C that keeps the interpreter's lock: no other thread of this process runs."""
    ctypes.PyDLL(None).sleep(LONG)


def ignore_signals(_: object) -> None:
    import signal

    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    time.sleep(LONG)


def start_others(_: object) -> list[int]:
    """A program and a forked process of its own, which outlive a call."""
    program = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({LONG})"], close_fds=False)
    if not (forked := os.fork()):
        time.sleep(LONG)
    return [program.pid, forked]


def verbs_of(enter: Progress) -> dict[str, Callable[[Any], object]]:
    enter("begin")
    return {
        "pid": lambda _: os.getpid(),
        "hold_lock": hold_lock,
        "ignore_signals": ignore_signals,
        "sleep": lambda _: time.sleep(LONG),
        "start_others": start_others,
    }
