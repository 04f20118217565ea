"""Reading pictures: any mode and orientation to RGB, anything unreadable to one clear error."""

from __future__ import annotations

import io
import logging
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from rknn_zoo_e2e.boards.install import install
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.staging import write_file
from rknn_zoo_e2e.vision.arrays import Array, Pixels

AVIF = find_spec("PIL._avif") is not None  # in Pillow's wheels from 11.3
HEIF = find_spec("pi_heif") is not None  # the extra "heic"
AVIF_SUFFIXES, HEIF_SUFFIXES = frozenset({".avif"}), frozenset({".heic", ".heif", ".hif"})
JPEG_SUFFIXES = frozenset({".jfif", ".jpe", ".jpeg", ".jpg", ".mpo"})
SUFFIXES = (
    JPEG_SUFFIXES
    | frozenset({".bmp", ".gif", ".png", ".tif", ".tiff", ".webp"})
    | (AVIF_SUFFIXES if AVIF else frozenset())
    | (HEIF_SUFFIXES if HEIF else frozenset())
)
# What these suffixes stand for, and no more: Pillow hands PostScript to Ghostscript, whatever the file is called.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", *(["AVIF"] * AVIF), *(["HEIF"] * HEIF))
# Formats that more can be installed for: what their content begins with, after the length of its first box.
BRANDS = {b"ftyp" + brand: "AVIF" for brand in (b"avif", b"avis")}
BRANDS |= {b"ftyp" + brand: "HEIF" for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1")}
MAX_PIXELS = 16_000 * 16_000  # larger pictures are taken for decompression bombs
MAX_SIDE = 32_767  # OpenCV counts the pixels of a row in 16 bits where it warps
STRIP_PIXELS = 1 << 22  # pixels
SCALE_DOWN, AGAIN = "Scale it down first.", "Copy or download it again."
EIGHT_BITS = "Save it with 8 or 16 bits a channel first."

Image.MAX_IMAGE_PIXELS = None  # the limit is ours, with an error of ours
# What is odd about a picture and does not matter is not for stderr.
warnings.filterwarnings("ignore", module="PIL")
logging.getLogger("PIL").addHandler(logging.NullHandler())


class Fetched(Protocol):
    """A picture file that lies in memory; its text says where it is from."""

    def open(self) -> BinaryIO:
        """The file, opened to read."""
        ...


def read_image(path: Path | Fetched) -> Pixels:
    """The first frame of a picture as (h, w, 3) uint8 RGB, turned upright by its EXIF orientation.

    It takes 7 bytes of memory a pixel while it reads, 8 where it turns: 2 GB for the largest.

    Raises:
        UserError: the file is missing, empty, truncated, too large or not a picture.
    """
    with opened(path) as image:
        return upright(image)


def check_readable(path: Path) -> None:
    """Raises :class:`UserError` where :func:`read_image` does; a JPEG is only decoded at an eighth of its size."""
    with opened(path) as image:
        image.draft(None, (image.width // 8, image.height // 8))  # None: in its own mode
        upright(image)


def upright(image: Image.Image) -> Pixels:
    """An opened picture as (h, w, 3) uint8 RGB, turned by its EXIF orientation."""
    ImageOps.exif_transpose(image, in_place=True)
    return to_rgb(image)


def pixels(path: Path | Fetched) -> int:
    """How many pixels a picture has, by its header. Raises :class:`UserError` as :func:`read_image` does."""
    with opened(path) as image:
        return image.width * image.height


@contextmanager
def opened(path: Path | Fetched) -> Iterator[Image.Image]:
    """A picture whose header was read and is fine; whatever else goes wrong in the block is the file's fault.

    Raises:
        UserError: it cannot be used.
    """
    with open_regular(path) if isinstance(path, Path) else path.open() as file:
        try:
            with Image.open(file, formats=formats()) as image:
                check_size(path, *image.size)
                if image.mode == "F":
                    raise UserError(f"{path} holds floating-point pixels, whose range nobody knows.", EIGHT_BITS)
                yield image
        except UserError:
            raise
        except (UnidentifiedImageError, ImportError):  # ImportError: Ultralytics makes Pillow look for more plugins
            raise not_a_picture(path, file) from None
        except MemoryError as error:
            raise UserError(f"{path} needs more memory than there is.", SCALE_DOWN) from error
        except Exception as error:  # a damaged file can bring a parser to raise anything
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UserError(f"{path} cannot be read ({reason}).", AGAIN) from error


@cache
def formats() -> tuple[str, ...]:
    """The formats Pillow may try, the one that is a package of its own made known to it."""
    if HEIF:
        import pi_heif

        pi_heif.register_heif_opener()
    return FORMATS


def not_a_picture(path: Path | Fetched, file: BinaryIO) -> UserError:
    """What is said of a file that is in none of the formats: what reads it, if it is known."""
    file.seek(4)
    kind = BRANDS.get(file.read(8), "")
    if kind and kind not in FORMATS:
        return UserError(
            f"{path} is a picture in {kind}, which nothing here reads.", f"To read it: {how_to_read(kind)}"
        )
    return UserError(f"{path} is not a picture.", f"Give one of: {', '.join(sorted(SUFFIXES))}.")


def how_to_read(kind: str) -> str:
    """The command that installs what reads AVIF or HEIF."""
    return "pip install 'pillow>=11.3'" if kind == "AVIF" else install("heic")


def open_regular(path: Path) -> BinaryIO:
    """A file opened to read, if it is one with content. Raises :class:`UserError` otherwise.

    It is looked at once it is open, so that what becomes a pipe or goes meanwhile does no harm.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (FileNotFoundError, IsADirectoryError):
        raise UserError(f"{path} is not a file.", "Check the path.") from None
    except PermissionError:
        raise UserError(f"You may not read {path}.", "Check its permissions.") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be opened ({getattr(error, 'strerror', error)}).", "Check the path.") from error
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_size:
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISREG(status.st_mode):
        raise UserError(f"{path} is empty.", AGAIN)
    raise UserError(f"{path} is not a file.", "Check the path.")


def check_size(name: object, width: int, height: int) -> None:
    """Raises :class:`UserError` for more pixels than shall be decoded."""
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        most = f"{MAX_PIXELS:,} in all" if width * height > MAX_PIXELS else f"{MAX_SIDE:,} a side"
        raise UserError(f"{name} has {width} x {height} pixels, more than {most}.", SCALE_DOWN)


def to_rgb(image: Image.Image) -> Pixels:
    """Any Pillow mode but F to (h, w, 3) uint8 RGB: transparency is left out, 16 bits become 8.

    Raises:
        ValueError: integers that 16 bits do not hold.
    """
    width, height = image.size
    out = np.empty((height, width, 3), np.uint8)
    rows = max(1, STRIP_PIXELS // width)  # converted at once, so that no more than a strip is in memory twice
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        strip = image if rows >= height else image.crop((0, top, width, bottom))
        out[top:bottom] = _strip(strip)
    return out


def _strip(image: Image.Image) -> Array:
    """A part of a picture as what ``to_rgb`` makes of it, or one channel of that."""
    if image.mode.startswith("I"):  # 16-bit grey; convert("RGB") would clip at 255
        grey = np.asarray(image)
        if grey.min() < 0 or grey.max() > 0xFFFF:
            raise ValueError("its numbers are beyond 16 bits")
        return (grey >> 8)[..., None]
    return np.asarray((image.convert("LA") if image.mode == "La" else image).convert("RGB"))


def save_image(path: Path, rgb: Pixels) -> None:
    """Writes (h, w, 3) uint8 RGB as JPEG; whole or not at all."""
    content = io.BytesIO()
    # Not by Pillow into the file: it takes a write cut short by a full disk for a whole one.
    Image.fromarray(rgb).save(content, "JPEG", quality=92)
    write_file(path, content.getbuffer())
