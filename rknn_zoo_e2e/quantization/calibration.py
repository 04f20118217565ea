"""Calibration pictures: chosen evenly among those that can be read, letterboxed as inference will see them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.checksum import sha256
from rknn_zoo_e2e.media.dataset import pictures_of
from rknn_zoo_e2e.media.pictures import Pictures
from rknn_zoo_e2e.progress import Progress, silent
from rknn_zoo_e2e.vision.arrays import Pixels
from rknn_zoo_e2e.vision.image import AVIF_SUFFIXES, HEIF_SUFFIXES, SUFFIXES, check_readable, how_to_read, read_image
from rknn_zoo_e2e.vision.letterbox import Letterbox

DEFAULT_PICTURES = 40  # more gained nothing on yolov8n
RECOMMENDED_PICTURES = 20  # fewer are worth a word
MAX_NAMED = 10  # skipped pictures, or suffixes, that are told one by one
FIRST_DRAWN_SEED = 900_000  # far from those the starter models were trained and measured on


@dataclass(frozen=True)
class Calibration:
    """The pictures of one calibration.

    Attributes:
        name: where they come from, to print and record; no path.
        digest: sha256 over their contents, in order.
        pictures: file names, to record.
        read: the i-th picture, (h, w, 3) uint8 RGB; can be pickled.
        skipped: why each picture that was to be used was not, a sentence that names it.
        passed_over: suffix -> how many files beside them have it and are taken for no picture.
        notes: the same for people, a line each.
        digests: sha256 of each picture's file; none of drawn ones.
    """

    name: str
    digest: str
    pictures: tuple[str, ...]
    read: Callable[[int], Pixels]
    skipped: tuple[str, ...] = ()
    passed_over: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.pictures)

    def some(self, count: int) -> Calibration:
        """So many of them, spread evenly; itself where there are no more."""
        if count >= len(self):
            return self
        chosen = [index * len(self) // count for index in range(count)]
        digests = tuple(self.digests[i] for i in chosen if self.digests)
        return replace(
            self,
            pictures=tuple(self.pictures[i] for i in chosen),
            read=lambda i: self.read(chosen[i]),
            digest=digest_of(digests) if digests else named_digest(f"{chosen} of {self.digest}"),
            digests=digests,
        )

    def letterboxed(self, index: int, imgsz: tuple[int, int]) -> Pixels:
        """The i-th picture as the model sees it, (H, W, 3) uint8 RGB."""
        image = self.read(index)
        return Letterbox.of(image, imgsz).apply(image)

    def write(self, folder: Path, imgsz: tuple[int, int]) -> tuple[Path, ...]:
        """All pictures letterboxed as PNG: the toolkit itself would only stretch them."""
        return write_pictures(folder, (self.letterboxed(index, imgsz) for index in range(len(self))))


def digest_of(digests: Iterable[str]) -> str:
    """One for several, in their order."""
    return hashlib.sha256(b"".join(map(bytes.fromhex, digests))).hexdigest()


def named_digest(name: str) -> str:
    """Of pictures that their name says all of."""
    return hashlib.sha256(name.encode()).hexdigest()


def write_pictures(folder: Path, images: Iterable[Pixels]) -> tuple[Path, ...]:
    """Letterboxed pictures as PNG, in a folder that is made where it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index, rgb in enumerate(images):
        paths.append(folder / f"{index:05}.png")
        Image.fromarray(rgb).save(paths[-1], compress_level=1)
    return tuple(paths)


def from_pictures(source: Path, count: int | None = None, progress: Progress = silent) -> Calibration:
    """Pictures spread evenly over the sorted list; for one that cannot be read another one is taken.

    Args:
        source: folder, data.yaml or list.
        count: how many, all if there are fewer; None for ``DEFAULT_PICTURES``.
        progress: told which share of them was looked at.

    Raises:
        UserError: nothing is there, or too few can be read: fewer than ``count``, by default than half.
    """
    found = pictures_of(source)
    if not found.files:
        raise UserError(
            " ".join((f"No pictures in {source}.", *told_passed_over(found))),
            f"Give a folder with some of: {', '.join(sorted(SUFFIXES))}.",
        )
    wanted = min(count or DEFAULT_PICTURES, len(found.files))
    chosen, faults = choose(found.files, wanted, progress)
    if len(chosen) < (wanted if count else max(1, wanted // 2)):
        left = f"Only {len(chosen)}" if chosen else "None"
        fewer = f", or ask for fewer with --calib-images {len(chosen)}" if chosen else ""
        first = next(iter(faults.values())).what
        raise UserError(
            f"{left} of the {wanted} pictures wanted of {source} can be used; the first that cannot: {first}",
            f"Replace those that cannot be read{fewer}.",
        )
    digests = tuple(map(sha256, chosen))
    skipped = tuple(error.what for _, error in sorted(faults.items()))
    return Calibration(
        source.name or source.resolve().name,
        digest_of(digests),
        tuple(p.name for p in chosen),
        partial(_nth, chosen),
        skipped,
        dict(found.passed_over),
        (*told_skipped(skipped), *told_passed_over(found), *told_few(source, len(chosen), count)),
        digests,
    )


def choose(files: Sequence[Path], wanted: int, progress: Progress = silent) -> tuple[list[Path], dict[Path, UserError]]:
    """As many of the files as wanted that can be read, spread evenly, in their order; and what is wrong with others.

    Those that cannot be read are replaced by ones that lie evenly among the rest, as long as there are any.
    """
    chosen: list[int] = []
    faults: dict[Path, UserError] = {}
    left = list(range(len(files)))
    while left and len(chosen) < wanted:
        missing = min(wanted - len(chosen), len(left))
        turn = [left[i] for i in np.linspace(0, len(left) - 1, missing).round().astype(int)]
        for index in turn:
            try:
                check_readable(files[index])
                chosen.append(index)
            except UserError as error:
                faults[files[index]] = error
            progress("pictures", len(chosen) / wanted)
        tried = set(turn)
        left = [index for index in left if index not in tried]
    return [files[index] for index in sorted(chosen)], faults


def told_skipped(skipped: Sequence[str]) -> list[str]:
    """A line for each of the first, and how many more there are."""
    more = [f"Skipped: {len(skipped) - MAX_NAMED} more."] if len(skipped) > MAX_NAMED else []
    return [f"Skipped: {what}" for what in skipped[:MAX_NAMED]] + more


def told_passed_over(found: Pictures) -> list[str]:
    """A line on files that are taken for no pictures, and what would read them."""
    if not found.passed_over:
        return []
    kinds = ", ".join(f"{number} {suffix}" for suffix, number in found.passed_over.most_common(MAX_NAMED))
    number = sum(found.passed_over.values())
    files = "1 file with another suffix was" if number == 1 else f"{number} files with other suffixes were"
    readable = {"AVIF": AVIF_SUFFIXES, "HEIF": HEIF_SUFFIXES}
    fixes = [f" To read {kind}: {how_to_read(kind)}." for kind in readable if readable[kind] & found.passed_over.keys()]
    return [f"{files} passed over: {kinds}.{''.join(fixes)}"]


def told_few(source: Path, used: int, count: int | None) -> list[str]:
    """A line where there are fewer than were asked for, or than are good."""
    if used >= (count or RECOMMENDED_PICTURES):
        return []
    asked = f"{count} were asked for" if count else "20 to 100 like those the model will see are better"
    return [f"{source} has only {used} picture{'s' * (used != 1)} to calibrate and verify with; {asked}."]


def from_shapes(count: int, pose: bool) -> Calibration:
    """Drawn scenes for the starter models."""
    name = f"shapes{'-pose' if pose else ''}, {count} drawn from seed {FIRST_DRAWN_SEED}"
    return Calibration(
        name,
        named_digest(name),
        tuple(f"seed-{FIRST_DRAWN_SEED + i}" for i in range(count)),
        partial(_draw, pose),
    )


def _nth(paths: Sequence[Path], index: int) -> Pixels:
    try:
        return read_image(paths[index])
    except UserError as error:
        what = f"A calibration picture is not what it was when this began: {error.what}"
        raise UserError(what, "Run the same command again: another is taken for it.") from error


def _draw(pose: bool, index: int) -> Pixels:
    from rknn_zoo_e2e.media.synthetic import draw_scene

    return draw_scene(FIRST_DRAWN_SEED + index, pose=pose)[0]
