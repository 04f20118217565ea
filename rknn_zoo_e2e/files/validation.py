"""The one validator: small checks of plain data, to put together into a schema.

A bundle's metadata (:mod:`rknn_zoo_e2e.bundle.schema`) and the zoo's cards (:mod:`rknn_zoo_e2e.zoo.cards`) are checked
with it. A check is a function of a value and of its place in the document; it raises :class:`Invalid`, or another
ValueError, whose message says both.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Collection
from typing import Any

Check = Callable[[Any, str], None]
MAX_SHOWN = 60  # characters of a value in a message
BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # these reverse the order of printed text
ANY = re.compile(".*")


class Invalid(ValueError):
    """A value is not what it should be. The message says where it stands and what is there.

    Attributes:
        where: its place in the document, such as ``artifacts[0].soc``.
        value: what is there.
        expected: what should be there, in words that follow "must be".
    """

    def __init__(self, where: str, value: Any, expected: str, length: str = "") -> None:
        super().__init__(f"{where} is {shown(value)}{length}")
        self.where, self.value, self.expected = where, value, expected


class UnknownKey(ValueError):
    """A mapping has a key that no check knows.

    Attributes:
        where: the mapping's place in the document.
        known: the keys it may have.
    """

    def __init__(self, where: str, key: str, known: Collection[str]) -> None:
        super().__init__(f"{where} has an unknown key {shown(key)}")
        self.where, self.key, self.known = where, key, known


def shown(value: Any) -> str:
    """A value for a message: in ASCII, at most :data:`MAX_SHOWN` characters, without control characters."""
    text = ascii(value) if isinstance(value, (str, int, float, bool, type(None))) else f"a {type(value).__name__}"
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."


def is_printable(text: str) -> bool:
    """Whether a text is one line without characters that control a terminal or reverse the direction of text."""
    return not any(c in BIDI or unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in text)


def harmless(text: str, most: int) -> str:
    """The printable ones (:func:`is_printable`) among the first ``most`` characters of a text."""
    return "".join(filter(is_printable, text[:most]))


def text(most: int = 200, pattern: re.Pattern[str] = ANY, expected: str = "a printable line") -> Check:
    """One printable line of at most ``most`` characters that matches ``pattern`` wholly; ``expected`` says so."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, str):
            raise Invalid(where, value, "str")
        if len(value) > most or not is_printable(value) or not pattern.fullmatch(value):
            raise Invalid(where, value, expected)

    return check


def number(low: float = -1e15, high: float = 1e15, whole: bool = False) -> Check:
    """A finite number between two bounds, inclusive."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, int if whole else (int, float)) or isinstance(value, bool):
            raise Invalid(where, value, "int" if whole else "int or float")
        if not low <= value <= high or not math.isfinite(value):  # in this order: an integer may be no float
            raise Invalid(where, value, f"between {low:g} and {high:g}")

    return check


def truth(value: Any, where: str) -> None:
    """Yes or no."""
    if not isinstance(value, bool):
        raise Invalid(where, value, "bool")


def choice(*choices: str) -> Check:
    """One of several texts."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, str):
            raise Invalid(where, value, "str")
        if value not in choices:
            raise Invalid(where, value, f"one of {', '.join(choices)}")

    return check


def listed(item: Check, most: int, least: int = 0) -> Check:
    """A list of ``least`` to ``most`` items, each of which passes one check."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, list):
            raise Invalid(where, value, "list")
        if not least <= len(value) <= most:
            raise Invalid(where, value, f"a list of {least} to {most}", f" of {len(value)}")
        for index, inner in enumerate(value):
            item(inner, f"{where}[{index}]")

    return check


def mapping(
    known: dict[str, Check],
    others: Check | None = None,
    optional: frozenset[str] = frozenset(),
    separator: str = ".",
) -> Check:
    """A mapping with text keys.

    Args:
        known: a check for each key; the key must be there unless it is in ``optional``.
        others: check of the values of further keys; without one there may be none.
        separator: put between a mapping's place and a key to name the key's place.
    """

    def check(value: Any, where: str) -> None:
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise Invalid(where, value, "a mapping")
        before = where and where + separator
        for key in known:
            if key in value:
                known[key](value[key], f"{before}{key}")
            elif key not in optional:
                raise ValueError(f"{before}{key} is missing")
        for key in [key for key in value if key not in known]:
            text()(key, f"a key of {where}")
            if others is None:
                raise UnknownKey(where, key, known)
            others(value[key], f"{before}{key}")

    return check


def either(*checks: Check) -> Check:
    """A value that passes one of several checks; where it passes none, the last one's message is raised."""

    def check(value: Any, where: str) -> None:
        for alternative in checks[:-1]:
            try:
                return alternative(value, where)
            except ValueError:
                continue
        return checks[-1](value, where)

    return check


def exactly(expected: Any) -> Check:
    """One value and no other."""

    def check(value: Any, where: str) -> None:
        if type(value) is not type(expected) or value != expected:
            raise Invalid(where, value, repr(expected))

    return check


def nullable(check: Check) -> Check:
    """What ``check`` takes, or null."""
    return either(exactly(None), check)


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
