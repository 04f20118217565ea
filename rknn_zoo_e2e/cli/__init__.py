"""The command line: parse, call, print."""

from __future__ import annotations


def main() -> None:
    """Entry point of ``e2erknn``."""
    from rknn_zoo_e2e.cli.app import app

    app()
