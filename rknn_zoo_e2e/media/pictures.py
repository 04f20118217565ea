"""Which pictures a folder or a list file names."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.media.files import read_text
from rknn_zoo_e2e.vision.image import SUFFIXES

QUOTES = "\"'"


@dataclass(frozen=True)
class Pictures:
    """What was found, not looked into yet.

    Attributes:
        files: in order.
        passed_over: suffix -> how many files have it and are taken for no picture.
    """

    files: tuple[Path, ...]
    passed_over: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Pictures) -> Pictures:
        return Pictures(self.files + other.files, self.passed_over + other.passed_over)


def pictures_in(source: Path) -> Pictures:
    """All pictures below a folder, those a list file names, or a picture itself.

    Raises:
        UserError: it is none of these, or names what is not there.
    """
    if source.is_dir():
        return below(source)
    if source.suffix.lower() in SUFFIXES:
        return Pictures((source,))
    paths = [spelt(line, (source.parent, Path())) or source.parent / line for line in lines_of(source)]
    missing = [path for path in paths if not os.path.lexists(path)]
    if missing:
        raise UserError(
            f"{source} names {len(missing)} missing pictures, first {missing[0]}.",
            "Correct the list; relative paths start from the list's folder.",
        )
    return Pictures(tuple(paths))


def below(folder: Path) -> Pictures:
    """All pictures in a folder and the folders in it, hidden files aside; links are followed."""
    files: list[Path] = []
    passed_over: Counter[str] = Counter()
    for path in walk(folder):
        suffix = path.suffix.lower()
        if suffix in SUFFIXES:
            files.append(path)
        elif not path.is_dir():
            passed_over[suffix or "without any"] += 1
    return Pictures(tuple(sorted(files)), passed_over)


def walk(folder: Path) -> Iterator[Path]:
    """Everything in a folder and the folders in it, each folder once, whatever links lead to it."""
    seen: set[str] = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in (*folders, *files) if not name.startswith("."))


def lines_of(source: Path) -> list[str]:
    """The paths a list file names, one a line: without quotes, empty lines and remarks (#)."""
    lines = [line.strip() for line in read_text(source).splitlines()]
    unquoted = [line[1:-1] if len(line) > 1 and line[0] == line[-1] and line[0] in QUOTES else line for line in lines]
    return [line for line in unquoted if line and not (line.startswith("#") and not spelt(line, (source.parent,)))]


def spelt(text: str, folders: Iterable[Path]) -> Path | None:
    """What a relative or absolute path means in the first of some folders that has it; None if none has.

    A path written on Windows is tried with its backslashes as slashes.
    """
    for folder in folders:
        for path in (folder / text, folder / text.replace("\\", "/")):
            if os.path.lexists(path):
                return path
    return None
