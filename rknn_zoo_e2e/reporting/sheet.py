"""Numbers and tables of a page: each number is taken out of the page's document by its place there, and says which."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rknn_zoo_e2e.reporting.html import Content, Element, element

Place = tuple[str | int, ...]
Format = Callable[[Any], str]
NOTHING = "–"
MOST_ROWS = 5000  # of a table


def decimals(digits: int, unit: str = "", divisor: float = 1) -> Format:
    """A number with so many digits behind the point."""
    return lambda value: f"{value / divisor:,.{digits}f}{unit}"


WHOLE = decimals(0)
MEGA = decimals(2, " M", 1e6)
PERCENT = decimals(1, " %", 0.01)
MEGABYTES = decimals(2, " MB", 1e6)
KB_AS_MB = decimals(1, " MB", 1024)


def most(weights: Sequence[Any], count: int) -> list[int]:
    """The indices of the heaviest, so many at most, in their order."""
    return sorted(sorted(range(len(weights)), key=lambda index: weights[index], reverse=True)[:count])


def pointer(place: Place) -> str:
    """A place in a document as RFC 6901 writes it."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in place)


@dataclass(frozen=True)
class Sheet:
    """What a page is written from: its document.

    Attributes:
        rows: the most that a long table has: of layers, blocks, scores and recalls.
    """

    document: Mapping[str, Any]
    rows: int = MOST_ROWS

    def at(self, *place: str | int) -> Any:
        """What stands at a place, None where nothing does."""
        found: Any = self.document
        for step in place:
            try:
                found = found[step]
            except (KeyError, IndexError, TypeError):
                return None
        return found

    def figure(self, form: Format, *place: str | int) -> Content:
        """The number at a place, as people read it; with its value, and its place for who checks it."""
        value = self.at(*place)
        if value is None:
            return NOTHING
        return element("data", form(value), value=json.dumps(value), data_at=pointer(place))


@dataclass(frozen=True)
class Column:
    """Of a table.

    Attributes:
        key: by which charts find it.
        kind: "number", "word" (which stays in one line) or "text".
    """

    key: str
    heading: str
    kind: str = "number"


def table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[Content]],
    caption: str,
    key: str | None = None,
    marked: Sequence[bool] = (),
) -> Element:
    """A table that scrolls where it is wider than the page, and can be sorted.

    Args:
        caption: what is said of it, above it.
        key: by which charts find it.
        marked: rows that stand out.
    """
    head = element("tr", (element("th", c.heading, scope="col", data_key=c.key, class_=c.kind) for c in columns))
    body = [
        element("tr", map(cell, columns, row), class_="marked" if index < len(marked) and marked[index] else None)
        for index, row in enumerate(rows)
    ]
    inner = element("table", element("thead", head), element("tbody", body), id=key, class_="sortable")
    # A region that scrolls can be reached by keyboard. What is said of it stays in sight where it is wide.
    region = element("div", inner, class_="scroll", tabindex="0", role="region", aria_label=caption)
    return element("div", element("p", caption, class_="soft"), region)


def cell(column: Column, content: Content) -> Element:
    """One of a table."""
    return element("td", content, class_=column.kind)


def folded(summary: str, *content: Content) -> Element:
    """What is shown when somebody asks."""
    return element("details", element("summary", summary), *content)


def chart(kind: str, table: str, said: str, **columns: str | None) -> Element:
    """A chart of a table that stands in the page (``assets/charts.js``), which the table says too.

    Args:
        kind: "bars", "lines" or "points".
        table: its key.
        said: the caption.
        columns: x, y (several with blanks between), label, group and mark by the keys of columns, and what else
            ``charts.js`` asks for.
    """
    told = {f"data_{name}": value for name, value in columns.items()}
    canvas = element("canvas", role="img", aria_label=f"{said}; the table has the numbers", **told)
    inner = element("div", canvas, class_="canvas", hidden=True, data_kind=kind, data_table=table)
    return element("figure", element("figcaption", said), inner)


def facts(*pairs: tuple[Content, Content]) -> Element:
    """Names and what they stand for."""
    return element("dl", (element("div", element("dt", name), element("dd", said)) for name, said in pairs))
