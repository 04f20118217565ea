"""Which pictures a folder or a list file names."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.validation import shown
from rknn_zoo_e2e.media.text import read_text
from rknn_zoo_e2e.vision.image import SUFFIXES

QUOTES = "\"'"
ENDINGS = "|".join(sorted(suffix[1:] for suffix in SUFFIXES))
# A picture's path with something behind it: boxes, a class or the columns of a table.
LABELLED = re.compile(rf"(.+?\.(?:{ENDINGS}))[{QUOTES}]?(?:[\s,;].*)?", re.IGNORECASE)
PACKED = frozenset({".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"})


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
    if source.suffix.lower() in PACKED:
        raise UserError(f"{source} is a packed archive.", "Unpack it, and give the folder.")
    paths = [named(line, source.parent) for line in entries_of(source)]
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


def named(line: str, folder: Path) -> Path:
    """The path that a line of a list in ``folder`` names, whether it is there or not."""
    if found := spelt(line, (folder, Path())):
        return found
    labelled = LABELLED.fullmatch(line)
    path = labelled[1].strip(QUOTES) if labelled else line
    return spelt(path, (folder, Path())) or folder / path


def entries_of(source: Path) -> list[str]:
    """The lines of a list without the heading of a table. Raises :class:`UserError` where none names a picture."""
    lines = lines_of(source)
    meant = [line for line in lines if LABELLED.fullmatch(line) or spelt(line, (source.parent, Path()))]
    if lines and not meant:
        what = f"{source} names no picture; its first line is {shown(lines[0][:60])}."
        raise UserError(what, "Put one path a line, or give a folder of pictures.")
    heading = meant and meant[0] != lines[0] and "." not in lines[0]
    return lines[1:] if heading else lines


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
