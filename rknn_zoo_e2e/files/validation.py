"""Documents not to be trusted: YAML read as data within limits, and small checks, put together, of what it may hold.

A check takes a value and where it stands, and raises ValueError saying both.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

Check = Callable[[Any, str], None]
DEEPEST = 12
BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # turn the order of what is printed
ANY = re.compile(".*")


class _Loader(yaml.CSafeLoader):
    def flatten_mapping(self, node: Any) -> None:
        """Nothing: merge keys (<<) of merge keys grow without end."""


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def read_yaml(path: Path, largest: int) -> Any:
    """The content of a YAML file: plain data, no tags of Python, no anchors.

    Raises:
        ValueError: more than ``largest`` bytes, not UTF-8, or no such YAML.
    """
    with path.open("rb") as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise ValueError(f"more than {largest:,} bytes")
    try:
        data = yaml.load(content.decode("utf-8"), _Loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())[:200]) from error
    seen: set[int] = set()

    def plain(value: Any, depth: int) -> None:
        if isinstance(value, (dict, list)):
            if id(value) in seen or depth > DEEPEST:
                raise ValueError("anchors, or lists within lists within lists")
            seen.add(id(value))
            for inner in [*value, *value.values()] if isinstance(value, dict) else value:
                plain(inner, depth + 1)

    plain(data, 0)
    return data


def write_yaml(data: Any) -> str:
    """As :func:`read_yaml` reads it."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def shown(value: Any) -> str:
    """A value in a message: short, and nothing a terminal would obey."""
    text = ascii(value) if isinstance(value, (str, int, float, bool, type(None))) else f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."


def is_printable(text: str) -> bool:
    """Whether a text is one line that leaves a terminal as it is."""
    return not any(c in BIDI or unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in text)


def harmless(text: str, most: int) -> str:
    """The first ``most`` characters of a text, without those a terminal would obey."""
    return "".join(filter(is_printable, text[:most]))


def text(most: int = 200, pattern: re.Pattern[str] = ANY) -> Check:
    """One printable line that matches."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, str) or len(value) > most or not is_printable(value) or not pattern.fullmatch(value):
            raise ValueError(f"{where} is {shown(value)}")

    return check


def number(low: float = -1e15, high: float = 1e15, whole: bool = False) -> Check:
    """A finite number between two bounds, inclusive."""

    def check(value: Any, where: str) -> None:
        good = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        if not good or not math.isfinite(value) or not low <= value <= high:
            raise ValueError(f"{where} is {shown(value)}")

    return check


def truth(value: Any, where: str) -> None:
    """Yes or no."""
    if not isinstance(value, bool):
        raise ValueError(f"{where} is {shown(value)}")


def listed(item: Check, most: int, least: int = 0) -> Check:
    """So many of the same."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, list) or not least <= len(value) <= most:
            length = f" of {len(value)}" if isinstance(value, list) else ""
            raise ValueError(f"{where} is {shown(value)}{length}")
        for index, one in enumerate(value):
            item(one, f"{where}[{index}]")

    return check


def mapping(known: dict[str, Check], others: Check | None = None, optional: frozenset[str] = frozenset()) -> Check:
    """The known keys, each there unless it is optional; others only where they have a check."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise ValueError(f"{where} is {shown(value)}")
        for key in known:
            if key in value:
                known[key](value[key], f"{where}.{key}".lstrip("."))
            elif key not in optional:
                raise ValueError(f"{where}.{key} is missing".lstrip("."))
        for key in value.keys() - known.keys():
            text()(key, f"a key of {where}")
            if others is None:
                raise ValueError(f"{where} has an unknown key {shown(key)}")
            others(value[key], f"{where}.{key}".lstrip("."))

    return check


def either(*checks: Check) -> Check:
    """What one of several checks takes; the last says what is wrong."""

    def check(value: Any, where: str) -> None:
        for one in checks[:-1]:
            try:
                return one(value, where)
            except ValueError:
                continue
        return checks[-1](value, where)

    return check


def exactly(expected: Any) -> Check:
    """One value and no other."""

    def check(value: Any, where: str) -> None:
        if type(value) is not type(expected) or value != expected:
            raise ValueError(f"{where} is {shown(value)}")

    return check


def anything(value: Any, where: str) -> None:
    """Plain data of any form, its texts printable and its numbers finite."""
    if isinstance(value, dict):
        for key, inner in value.items():
            either(number(whole=True), text())(key, f"a key of {where}")
            anything(inner, f"{where}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            anything(inner, f"{where}[{index}]")
    elif value is not None and not isinstance(value, bool):
        either(number(), text(2000))(value, where)
