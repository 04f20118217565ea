"""Reading pictures: any mode and orientation to RGB, anything unreadable to one clear error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from rknn_zoo_e2e.errors import UserError

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
MAX_PIXELS = 16_000 * 16_000  # larger pictures are taken for decompression bombs


def read_image(path: Path) -> np.ndarray:
    """The first frame of a picture as (h, w, 3) uint8 RGB, turned upright by its EXIF orientation.

    Raises:
        UserError: the file is missing, empty, truncated, too large or not a picture.
    """
    if not path.is_file():
        raise UserError(f"{path} is not a file.", "Check the path.")
    if path.stat().st_size == 0:
        raise UserError(f"{path} is empty.", "Copy or download the picture again.")
    try:
        Image.MAX_IMAGE_PIXELS = None  # the limit below is ours, with an error of ours
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise UserError(
                    f"{path} has {image.width} x {image.height} pixels, more than {MAX_PIXELS:,}.",
                    "Scale it down first.",
                )
            upright = ImageOps.exif_transpose(image)
            return to_rgb(upright)
    except (UnidentifiedImageError, ImportError):  # ImportError: Ultralytics patches Pillow to look for more plugins
        raise UserError(f"{path} is not a picture.", f"Give one of: {', '.join(sorted(SUFFIXES))}.") from None
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise UserError(f"{path} cannot be read ({error}).", "Copy or download the picture again.") from error


def to_rgb(image: Image.Image) -> np.ndarray:
    """Any Pillow mode to (h, w, 3) uint8 RGB: transparency over black, 16 bits scaled to 8."""
    if image.mode.startswith("I"):  # 16-bit grey; convert("RGB") would clip at 255
        grey = np.asarray(image, np.float64) / 257.0
        return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, 2)
    return np.ascontiguousarray(image.convert("RGB"))


def save_image(path: Path, rgb: np.ndarray) -> None:
    """Writes (h, w, 3) uint8 RGB; whole or not at all."""
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        Image.fromarray(rgb).save(part, quality=92)
        part.replace(path)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror or error}).", "Give another folder with -o."
        ) from error
    finally:
        part.unlink(missing_ok=True)
