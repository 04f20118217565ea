"""The command line: parse, call, print."""

from __future__ import annotations

import os


def main() -> None:
    """Entry point of ``e2erknn``."""
    # Read when numpy is imported. BLAS's threads wait by spinning, and on a small board cores have better work.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Read when Pillow is imported. Blocks as large as this go back to the system; smaller ones stay with each thread,
    # which a picture of 256 megapixels makes 1 GB.
    os.environ.setdefault("PILLOW_BLOCK_SIZE", "64m")
    from rknn_zoo_e2e.cli.app import app

    app()
