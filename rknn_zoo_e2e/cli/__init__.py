"""The command line: ``commands/`` is what can be typed, a module of the same name beside it what is done then."""

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
    # Read when numpy is imported. BLAS's threads wait by spinning, and on a small board cores have better work.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Read when Pillow is imported. Blocks as large as this go back to the system; smaller ones stay with each thread,
    # which a picture of 256 megapixels makes 1 GB.
    os.environ.setdefault("PILLOW_BLOCK_SIZE", "64m")
    from rknn_zoo_e2e.cli.app import app

    app()


def end(number: int, frame: object) -> None:
    """Ends as Ctrl-C does, with all that is left half-done cleared up."""
    raise SystemExit(128 + number)
