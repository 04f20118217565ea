"""The pictures of a page: what fp32 and builds find in them, drawn, and made to fit into the room there is."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from rknn_zoo_e2e.vision.arrays import Pixels

DRAWN_SIDE = 480  # px, the longest of a drawn picture
QUALITY = 75  # of JPEG
# How many pictures are shown and their longest side, px: what fits first is taken. Below 320 px no label can be read.
FITS = ((6, DRAWN_SIDE), (6, 400), (6, 320), (5, 320), (4, 320), (3, 320), (2, 320), (1, 320), (1, 240), (1, 160))
MOST_PICTURES = FITS[0][0]


Detection = tuple[str, float]  # its class and its score, 0..1


@dataclass(frozen=True)
class Answer:
    """What one build finds in a picture, or several builds that find the same.

    Attributes:
        builds: SHA-256 of their files.
        lost, new: detections of fp32 that they have not, and the other way round, as parity finds them.
        drawn: the picture with their detections, (h, w, 3) uint8 RGB.
    """

    builds: tuple[str, ...]
    lost: tuple[Detection, ...]
    new: tuple[Detection, ...]
    drawn: Pixels

    def looks_like(self, other: Answer) -> bool:
        """Whether nobody would see a difference."""
        return (self.lost, self.new) == (other.lost, other.new) and np.array_equal(self.drawn, other.drawn)


@dataclass(frozen=True)
class Picture:
    """One picture: its file's name, what fp32 finds (h, w, 3) uint8 RGB, and what builds find."""

    name: str
    drawn: Pixels
    answers: tuple[Answer, ...]

    def answer(self, build: str) -> Answer | None:
        """That of a build, by the SHA-256 of its file; None where it did not run."""
        return next((answer for answer in self.answers if build in answer.builds), None)

    def without_drawings(self) -> Shown:
        """As it goes into a page to see what is left for the drawings."""
        return Shown(self, b"", (b"",) * len(self.answers))


def size_of(shape: Sequence[int], side: int = DRAWN_SIDE) -> tuple[int, int]:
    """Height and width at which a picture (h, w, ...) is drawn, px: neither above ``side``, and never enlarged."""
    scale = min(1, side / max(shape[:2]))
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def resized(rgb: Pixels, size: tuple[int, int]) -> Pixels:
    """A picture (h, w, 3) uint8 RGB at another height and width."""
    return rgb if rgb.shape[:2] == size else np.asarray(Image.fromarray(rgb).resize(size[::-1], reducing_gap=2.0))


def jpeg(rgb: Pixels, side: int) -> bytes:
    """A drawn picture as JPEG, without anything of the file it was read from."""
    content = io.BytesIO()
    Image.fromarray(resized(rgb, size_of(rgb.shape, side))).save(content, "JPEG", quality=QUALITY, optimize=True)
    return content.getvalue()


@dataclass(frozen=True)
class Shown:
    """A picture as it goes into a page: JPEGs of what fp32 finds and of each of its answers."""

    picture: Picture
    fp32: bytes
    answers: tuple[bytes, ...]

    @classmethod
    def of(cls, picture: Picture, side: int) -> Shown:
        """At one size."""
        return cls(picture, jpeg(picture.drawn, side), tuple(jpeg(a.drawn, side) for a in picture.answers))

    @property
    def size(self) -> int:
        """Bytes it takes in a page, where four characters stand for three bytes."""
        return sum(-(-len(one) // 3) * 4 for one in (self.fp32, *self.answers))


def fitting(pictures: Sequence[Picture], room: int) -> list[Shown]:
    """The pictures as large as they fit into some bytes of a page, and fewer of them where they do not.

    Args:
        pictures: the one that matters most first.
        room: bytes.
    """
    for count, side in FITS:
        shown = list(within(pictures[:count], side, room))
        if len(shown) == len(pictures[:count]):
            return shown
    return []


def within(pictures: Sequence[Picture], side: int, room: int) -> Iterator[Shown]:
    """The pictures at one size, as many as fit."""
    for picture in pictures:
        shown = Shown.of(picture, side)
        room -= shown.size
        if room < 0:
            return
        yield shown
