"""Reading pictures: any mode and orientation to RGB, anything unreadable to one clear error."""

from __future__ import annotations

import logging
import os
import stat
import warnings
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.staging import write_error

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
# What these suffixes stand for, and no more: Pillow hands PostScript to Ghostscript, whatever the file is called.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF")
MAX_PIXELS = 16_000 * 16_000  # larger pictures are taken for decompression bombs
MAX_SIDE = 32_767  # OpenCV counts the pixels of a row in 16 bits where it warps
SCALE_DOWN, AGAIN = "Scale it down first.", "Copy or download the picture again."
EIGHT_BITS = "Save it with 8 or 16 bits a channel first."

Image.MAX_IMAGE_PIXELS = None  # the limit is ours, with an error of ours
# What is odd about a picture and does not matter is not for stderr.
warnings.filterwarnings("ignore", module="PIL")
logging.getLogger("PIL").addHandler(logging.NullHandler())


def read_image(path: Path) -> np.ndarray:
    """The first frame of a picture as (h, w, 3) uint8 RGB, turned upright by its EXIF orientation.

    Raises:
        UserError: the file is missing, empty, truncated, too large or not a picture.
    """
    with open_regular(path) as file:
        try:
            with Image.open(file, formats=FORMATS) as image:
                _check(path, image)
                return to_rgb(ImageOps.exif_transpose(image))
        except UserError:
            raise
        except (UnidentifiedImageError, ImportError):  # ImportError: Ultralytics makes Pillow look for more plugins
            raise UserError(f"{path} is not a picture.", f"Give one of: {', '.join(sorted(SUFFIXES))}.") from None
        except MemoryError as error:
            raise UserError(f"{path} needs more memory than there is.", SCALE_DOWN) from error
        except Exception as error:  # a damaged file can bring a parser to raise anything
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UserError(f"{path} cannot be read ({reason}).", AGAIN) from error


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
    file, status = os.fdopen(descriptor, "rb"), os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_size:
        return file
    file.close()
    if stat.S_ISREG(status.st_mode):
        raise UserError(f"{path} is empty.", AGAIN)
    raise UserError(f"{path} is not a file.", "Check the path.")


def _check(path: Path, image: Image.Image) -> None:
    """Raises :class:`UserError` for what shall not be decoded; only the header has been read."""
    width, height = image.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        most = f"{MAX_PIXELS:,} in all" if width * height > MAX_PIXELS else f"{MAX_SIDE:,} a side"
        raise UserError(f"{path} has {width} x {height} pixels, more than {most}.", SCALE_DOWN)
    if image.mode == "F":
        raise UserError(f"{path} holds floating-point numbers, and black and white can be any of them.", EIGHT_BITS)


def to_rgb(image: Image.Image) -> np.ndarray:
    """Any Pillow mode but F to (h, w, 3) uint8 RGB: transparency is left out, 16 bits become 8.

    Raises:
        ValueError: integers that 16 bits do not hold.
    """
    if image.mode.startswith("I"):  # 16-bit grey; convert("RGB") would clip at 255
        grey = np.asarray(image)
        if grey.min() < 0 or grey.max() > 0xFFFF:
            raise ValueError("its numbers are beyond 16 bits")
        return np.repeat((grey >> 8).astype(np.uint8)[..., None], 3, 2)
    return np.array((image.convert("LA") if image.mode == "La" else image).convert("RGB"))


def save_image(path: Path, rgb: np.ndarray) -> None:
    """Writes (h, w, 3) uint8 RGB; whole or not at all."""
    part = part_of(path)
    try:
        Image.fromarray(rgb).save(part, quality=92)
        part.replace(path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        part.unlink(missing_ok=True)


def part_of(path: Path) -> Path:
    """Where a file is written before it takes its place: hidden beside it, under a name that is never too long."""
    return path.with_name(f".{zlib.crc32(os.fsencode(path.name)):08x}.part{path.suffix}")
