"""The command line: parse, call, print."""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Entry point of ``e2erknn``."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:  # closed by whoever started us: the next file opened would be in its place
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))
    for ending in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if signal.getsignal(ending) == signal.SIG_DFL:  # not under nohup
            signal.signal(ending, end)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is imported: see rknn_zoo_e2e.raw
    from rknn_zoo_e2e.cli.app import app

    app()


def end(number: int, frame: object) -> None:
    """Ends as Ctrl-C does, with all that is left half-done cleared up."""
    raise SystemExit(128 + number)
