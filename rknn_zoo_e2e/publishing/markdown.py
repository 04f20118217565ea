"""Text of unknown origin in Markdown: shown as it is, never obeyed.

A card is read by the Hub as Markdown with HTML in it. All but letters, digits, spaces, commas, and the signs within
words that names are full of, become character references, which no reader of Markdown takes for syntax: no tag, link,
formula, table cell, front matter or template.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

LETTER = r"[^\W_]"
MEANS_NOTHING = rf"{LETTER}|[ ,]|(?<={LETTER})[-_](?={LETTER})|(?<=\d)\.(?=\d)"
ANY = re.compile(rf"{MEANS_NOTHING}|(.)", re.DOTALL)
CODE = re.compile(rf"(?:{LETTER}|[ ,._+/:=@()#%-])+")


def plain(text: object) -> str:
    """Any text as it is read."""
    return ANY.sub(lambda found: f"&#{ord(found[1])};" if found[1] else found[0], str(text))


def code(text: object) -> str:
    """As code, where nothing in it could end the code; else as plain text."""
    return f"`{text}`" if CODE.fullmatch(str(text)) else plain(text)


def link(text: str, path: str) -> str:
    """A link to a file of the same repo."""
    return f"[{plain(text)}]({quote(path)})"


def table(headings: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A table; its cells are Markdown."""
    lines = [list(headings)]
    lines += [["---"] * len(lines[0]), *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
