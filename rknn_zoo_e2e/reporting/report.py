"""``report``: a bundle, or a folder of bundles, to one page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rknn_zoo_e2e.bundle.agreement import KIND
from rknn_zoo_e2e.bundle.model import Bundle
from rknn_zoo_e2e.bundle.numbers import change_artifact, with_numbers
from rknn_zoo_e2e.bundle.reader import MAKE_ONE, is_bundle, newest, read_bundle
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.files.staging import linked, write_file
from rknn_zoo_e2e.progress import Progress, silent
from rknn_zoo_e2e.reporting.facts import Document, document_of
from rknn_zoo_e2e.reporting.folder import folder_page
from rknn_zoo_e2e.reporting.page import bundle_page

if TYPE_CHECKING:
    from rknn_zoo_e2e.reporting.pictures import Picture

DEFAULT = "report.html"
ANOTHER = "another file with -o"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Report:
    """A page that was written.

    Attributes:
        path: its file.
        bytes: its size.
        document: the numbers in it.
    """

    path: Path
    bytes: int
    document: Document

    def report(self) -> dict[str, Any]:
        """For the JSON document."""
        return {"report": str(self.path), "bytes": self.bytes, **self.document}


def write_report(
    source: Path | None,
    output: Path,
    pictures: Path | None = None,
    count: int | None = None,
    progress: Progress = silent,
    say: Say = lambda text: None,
) -> Report:
    """Writes the page of a bundle, or of all bundles in a folder.

    Args:
        source: a bundle, or a folder that holds some; None for the newest bundle in the working folder.
        output: the page's file; one that is there is replaced.
        pictures: folder, ``data.yaml`` or list; fp32 and the builds run on them, and six are drawn into the page. How
            the builds agree with fp32 is kept in the bundle, no picture and no name of one.
        count: how many of them, spread evenly; 40 by default.
        progress: told of stages.
        say: told what is passed over, and what could not be kept.

    Raises:
        UsageError: pictures for a folder of bundles.
        UserError: there is no bundle, it or a picture cannot be read, or the page cannot be written.
    """
    path = source or newest(Path())
    if path is None:
        raise UserError("There is no bundle in this folder.", MAKE_ONE)
    check_output(output)
    if not is_bundle(path) and (found := bundles_in(path)):
        if pictures is not None:
            raise UsageError("Pictures are compared for one bundle.", f"Give one of them, such as {found[0]}.")
        document = compared(path, found, progress, say)
        content = folder_page(document)
    else:
        document, content = one(path, pictures, count, progress, say)
    target = linked(output)
    write_file(target, content, ANOTHER)
    return Report(output, len(content), document)


def check_output(output: Path) -> None:
    """Raises :class:`UserError` where no file can be written, before anything has taken its time."""
    if output.is_dir():
        raise UserError(f"{output} is a folder.", f"Give a file, such as -o {output / DEFAULT}.")
    if not output.parent.is_dir():
        raise UserError(f"There is no folder {output.parent}.", f"Make it, or give {ANOTHER}.")


def bundles_in(folder: Path) -> list[Path]:
    """The bundles directly in a folder, by name."""
    return sorted(path for path in folder.iterdir() if is_bundle(path)) if folder.is_dir() else []


def one(path: Path, pictures: Path | None, count: int | None, progress: Progress, say: Say) -> tuple[Document, bytes]:
    """The numbers and the page of one bundle; arguments as of :func:`write_report`."""
    bundle = read_bundle(path)
    if pictures is None:
        progress("numbers", 0.0)
        document = document_of(bundle)
        return document, bundle_page(document)
    from rknn_zoo_e2e.conversion.verify import EXPECTED_THRESHOLDS, FOUND_THRESHOLDS
    from rknn_zoo_e2e.media.dataset import recorded_name
    from rknn_zoo_e2e.quantization.calibration import from_pictures
    from rknn_zoo_e2e.reporting.compare import compare

    chosen = from_pictures(pictures, count, progress)
    for note in chosen.notes:
        say(note)
    comparison = compare(bundle, chosen, recorded_name(pictures), progress)
    progress("numbers", 0.0)
    keep(bundle, comparison.agreements, say)
    document = document_of(bundle, comparison.agreements)
    document["thresholds"] = {"expected": EXPECTED_THRESHOLDS.conf, "found": FOUND_THRESHOLDS.conf}
    document["pictures"] = [{"name": one.name, "builds": list(seen(bundle, one))} for one in comparison.pictures]
    return document, bundle_page(document, comparison.pictures)


def seen(bundle: Bundle, picture: Picture) -> Iterator[Document]:
    """What each build that ran finds in a picture, against fp32."""
    for artifact in bundle.artifacts:
        if answer := picture.answer(artifact.sha256):
            missed = {
                f"{name}_detections": [{"label": label, "score": score} for label, score in found]
                for name, found in (("lost", answer.lost), ("new", answer.new))
            }
            counts = {"lost": len(answer.lost), "new": len(answer.new)}
            named = {"soc": artifact.soc, "precision": artifact.precision, "sha256": artifact.sha256}
            yield named | counts | missed


def keep(bundle: Bundle, agreements: dict[str, Document], say: Say) -> None:
    """Keeps the figures in the bundle, for the next page."""
    try:
        for sha256, agreement in agreements.items():
            change_artifact(bundle.path, sha256, "report", say, with_numbers(KIND, agreement))
    except UserError as error:
        say(f"The figures are not kept in the bundle: {error.what}")


def compared(folder: Path, found: list[Path], progress: Progress, say: Say) -> Document:
    """The numbers of several bundles. Raises :class:`UserError` where none of them can be read."""
    document: Document = {"folder": folder.resolve().name, "bundles": [], "unreadable": []}
    for index, path in enumerate(found):
        progress("numbers", index / len(found))
        try:
            document["bundles"].append(document_of(read_bundle(path), in_full=False))
        except UserError as error:
            say(f"Left out: {error.what}")
            document["unreadable"].append({"bundle": path.name, "what": error.what})
            last = error
    if not document["bundles"]:
        raise last
    return document
