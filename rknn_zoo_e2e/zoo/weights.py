"""The folders on this machine in which a checkpoint of a given name is looked for."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER_VARIABLE = "E2ERKNN_WEIGHTS"  # a folder searched before anything else


def in_named_folder(name: str) -> Path | None:
    """``<name>.pt`` in the folder the environment names."""
    folder = os.environ.get(FOLDER_VARIABLE)
    return _in(Path(folder), name) if folder else None


def in_working_folder(name: str) -> Path | None:
    """``<name>.pt`` in the working folder."""
    return _in(Path(), name)


def _in(folder: Path, name: str) -> Path | None:
    path = folder / f"{name}.pt"
    return path if os.path.isfile(path) else None
