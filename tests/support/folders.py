"""What is in a folder, what was left over, and a disk that is too small."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def tree(folder: Path) -> dict[str, bytes]:
    """Every file in a folder, and its content; folders have none."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else b"" for p in sorted(folder.rglob("*"))}


def written(folder: Path) -> dict[str, tuple[int, int]]:
    """When every file in a folder was last written, and its size."""
    found = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        found[str(path.relative_to(folder))] = status.st_mtime_ns, status.st_size
    return found


def left_over(folder: Path) -> list[str]:
    """Names of what no conversion should leave beside a bundle."""
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    """A tmpfs; skips where none can be mounted."""
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], capture_output=True).returncode:
        pytest.skip("mount is not allowed here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder])
