"""Where what is drawn goes: a file of its own for each source, and never a source."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rknn_zoo_e2e.cli.media.sources import Source

LONGEST_NAME = 240  # bytes of a name before its suffix: file systems take 255 in all


class Targets:
    """The files of a folder.

    Args:
        folder: where they go.
        sources: what they are made from; those that lie in the folder stay as they are.
    """

    def __init__(self, folder: Path, sources: Sequence[Source]) -> None:
        self.folder = folder
        files = [source.place for source in sources if isinstance(source.place, Path)]
        same = {parent for parent in {file.parent for file in files} if parent.resolve() == folder.resolve()}
        self._taken = {file.name for file in files if file.parent in same}

    def file(self, name: str, suffix: str) -> Path:
        """The next one, with a number in its name if there was one of that name."""
        name = os.fsencode(name)[:LONGEST_NAME].decode(errors="ignore")
        full, number = f"{name}{suffix}", 1
        while full in self._taken:
            number += 1
            full = f"{name}-{number}{suffix}"
        self._taken.add(full)
        return self.folder / full
