"""Reads class names from checkpoints, where some are missing, counted from 1, or contain line breaks.

What can be corrected without guessing is corrected and noted; a class without a name is called after its number.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

MAX_NAME = 200  # characters of a class name
MAX_LISTED = 5  # classes that a note names
# At the ends of names, from lists made by other programs: marks of byte order, spaces of no width, ends of files.
INVISIBLE = "\ufeff\u200b\u200c\u200d\u2060\x00\x1a"
NUMBERS = (int, float)


def class_names(given: Any, count: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of ``count`` classes, and what was put right in them.

    Args:
        given: what the checkpoint has: a mapping or a list of names, or anything else.

    Returns:
        Names by index, every one of them there, none over :data:`MAX_NAME` characters; notes, a sentence each. A name
        may still be unfit to be printed.

    Raises:
        ValueError: a name is a list of things.
    """
    notes: list[str] = []
    found = by_index(given, count, notes)
    names: list[str] = []
    changed, absent = [], []
    for index in range(count):
        value = found.get(index)
        if isinstance(value, (Mapping, list, tuple, set)):
            raise ValueError(f"the name of class {index} is a {type(value).__name__}")
        name = clean(value)
        if not name:
            name = f"class{index}"
            absent.append(name)
        elif name != str(value):
            changed.append(name)
        names.append(name)
    if absent:
        few = f"{listed(absent)} have no name in the checkpoint and are called so"
        notes.append(f"Its {count} classes have no names: they are called class0, class1 and so on." if
                     len(absent) == count else f"{few}.")  # fmt: skip
    if changed:
        notes.append(f"Stripped or shortened names: {listed(changed)}.")
    if others := [str(key) for key in found if not 0 <= key < count]:
        notes.append(f"Names of classes the head does not have were left out: {listed(others)} (it has {count}).")
    if doubled := [name for name, times in Counter(names).items() if times > 1]:
        notes.append(f"Several classes have the same name: {listed(doubled)}.")
    return tuple(names), tuple(notes)


def by_index(given: Any, count: int, notes: list[str]) -> dict[int, Any]:
    """Names by class number, whatever they are kept in."""
    if isinstance(given, Mapping):
        found = {index: name for key, name in given.items() if (index := whole(key)) is not None}
        turned = {
            index: key for key, name in given.items() if isinstance(key, str) and (index := whole(name)) is not None
        }
        if not found and sorted(turned) == list(range(count)):
            notes.append("Its classes are kept as name: number; they were turned round.")
            return turned
        if sorted(found) == list(range(1, count + 1)):
            notes.append(f"Its class names count from 1: 1 is taken for class 0, {count} for class {count - 1}.")
            return {index - 1: name for index, name in found.items()}
        return found
    if isinstance(given, Sequence) and not isinstance(given, (str, bytes)):
        return dict(enumerate(given))
    return {}


def whole(key: Any) -> int | None:
    """A class number, also where it was written as a text or a float."""
    if isinstance(key, str) and re.fullmatch(r"\s*\d{1,9}\s*", key, re.ASCII):
        return int(key)
    if isinstance(key, NUMBERS) and not isinstance(key, bool) and key == key // 1 and abs(key) < 1e9:
        return int(key)
    return None


def clean(name: Any) -> str:
    """A name in one line, "" if there is none."""
    if isinstance(name, bytes):
        name = name.decode("utf-8", "replace")
    if isinstance(name, NUMBERS) and name == name:  # names of classes that are numbers; not NaN, an empty cell
        name = str(name)
    if not isinstance(name, str):
        return ""
    name = name.encode("utf-8", "replace").decode("utf-8")  # halves of characters
    name = re.sub(r"\s+", " ", name.strip(INVISIBLE + " \t\r\n\f\v"))
    name = name.strip(INVISIBLE + " ")
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"


def listed(names: Sequence[str]) -> str:
    """The first few of some names."""
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return ", ".join(ascii(name)[1:-1] if not name.isprintable() else name[:40] for name in names[:MAX_LISTED]) + more
