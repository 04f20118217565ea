"""The page of one bundle."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rknn_zoo_e2e.boards.environment import version_of
from rknn_zoo_e2e.boards.install import PROJECT
from rknn_zoo_e2e.reporting import accuracy, closing, layers, overview
from rknn_zoo_e2e.reporting.facts import Document
from rknn_zoo_e2e.reporting.html import Content, Element, element, page
from rknn_zoo_e2e.reporting.sheet import MOST_ROWS, Sheet

if TYPE_CHECKING:
    from rknn_zoo_e2e.reporting.pictures import Picture, Shown

NOTE = (
    "Predicted speeds are predictions; cycles, traffic and memory are the compiler's estimates. What stands in the "
    "simulator was computed on a PC. Only what is said to be measured on a board was."
)


MOST_BYTES = 2_000_000
FOR_PICTURES = 800_000  # of them, before tables have what is left
# Of a long table: the most that fit are taken.
ROWS = (
    15, 20, 25, 30, 40, 50, 60, 75, 90, 105, 120, 140, 160, 190, 220, 260, 300, 350, 420, 500, 700, 1000, 2000,
    MOST_ROWS,
)  # fmt: skip


def bundle_page(document: Document, pictures: Sequence[Picture] = ()) -> bytes:
    """The page of a bundle (:func:`rknn_zoo_e2e.reporting.facts.document_of`), of :data:`MOST_BYTES` at most.

    Where there are many builds, long tables have fewer rows, and then pictures are smaller and fewer.

    Args:
        pictures: drawn, as the document's ``pictures`` lists them.
    """
    room = MOST_BYTES
    if pictures:
        from rknn_zoo_e2e.reporting.pictures import fitting

        room -= sum(picture.size for picture in fitting(pictures, FOR_PICTURES))
    empty = [picture.without_drawings() for picture in pictures]
    fit = bisect_right(ROWS, room, key=lambda rows: len(written(Sheet(document, rows), empty)))
    sheet = Sheet(document, ROWS[max(fit - 1, 0)])
    content = written(sheet, empty)
    return written(sheet, fitting(pictures, MOST_BYTES - len(content))) if pictures else content


def written(sheet: Sheet, shown: Sequence[Shown]) -> bytes:
    """The page with some of its pictures."""
    document = sheet.document
    return page(
        f"{document['model']}: e2erknn report",
        overview.head(sheet),
        section("Overview", overview.cards(sheet)),
        overview.missing(sheet),
        section("Agreement with fp32", accuracy.parity(sheet), accuracy.measured_map(sheet), accuracy.curves(sheet)),
        section("Largest disagreement", accuracy.pictures(sheet, shown)) if document.get("pictures") else None,
        builds(sheet),
        section("How to run it", closing.running(sheet)),
        section("Versions and checksums", closing.versions(sheet)),
        footer(),
    )


def builds(sheet: Sheet) -> Iterator[Element]:
    """A section for each."""
    for index, artifact in enumerate(sheet.at("artifacts")):
        at = ("artifacts", index)
        yield section(
            overview.name_of(artifact),
            closing.measurements(sheet, at),
            layers.cost(sheet, at, f"layers-{index}"),
            layers.error(sheet, at, f"blocks-{index}"),
            accuracy.scores(sheet, at, f"scores-{index}"),
            element("p", closing.seconds(sheet, at), class_="soft"),
            id=f"build-{index}",
        )


def section(heading: str, *content: Content, id: str | None = None) -> Element:
    """A part of a page."""
    return element("section", element("h2", heading), *content, id=id)


def footer() -> Element:
    """Who wrote a page, and what its figures are worth."""
    return element("footer", f"Written by e2erknn {version_of(PROJECT) or 'of an unknown version'}. {NOTE}")
