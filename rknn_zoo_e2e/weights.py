"""Checkpoint files on this machine: where they are looked for, and their checksums."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

FOLDER_VARIABLE = "E2ERKNN_WEIGHTS"  # a folder searched before anything else


def find(name: str) -> Path | None:
    """``<name>.pt`` in the folder the environment names, else in the working folder."""
    folders = [Path(folder) for folder in (os.environ.get(FOLDER_VARIABLE), ".") if folder]
    return next((path for folder in folders if (path := folder / f"{name}.pt").is_file()), None)


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
