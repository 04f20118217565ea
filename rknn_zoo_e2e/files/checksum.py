"""SHA-256 of files: how bundles, fetched weights and published files are told from changed ones."""

from __future__ import annotations

import hashlib
from pathlib import Path


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, 64 hexadecimal digits in lower case. Raises OSError where it cannot be read."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
