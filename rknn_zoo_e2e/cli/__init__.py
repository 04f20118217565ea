"""The command line: parse, call, print."""

from __future__ import annotations

import os


def main() -> None:
    """Entry point of ``e2erknn``."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy is imported: see rknn_zoo_e2e.raw
    from rknn_zoo_e2e.cli.app import app

    app()
