"""Calibration pictures: found, chosen evenly, letterboxed as inference will see them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.vision.image import SUFFIXES, read_image
from rknn_zoo_e2e.vision.letterbox import Letterbox

FIRST_DRAWN_SEED = 900_000  # far from those the starter models were trained and measured on


@dataclass(frozen=True)
class Calibration:
    """The pictures of one calibration.

    Attributes:
        name: where they come from, to print and record; no path.
        digest: sha256 over their contents, in order.
        pictures: file names, to record.
        read: the i-th picture, (h, w, 3) uint8 RGB; can be pickled.
    """

    name: str
    digest: str
    pictures: tuple[str, ...]
    read: Callable[[int], np.ndarray]

    def __len__(self) -> int:
        return len(self.pictures)

    def letterboxed(self, index: int, imgsz: tuple[int, int]) -> np.ndarray:
        """The i-th picture as the model sees it, (H, W, 3) uint8 RGB."""
        image = self.read(index)
        return Letterbox.of(image, imgsz).apply(image)

    def write(self, folder: Path, imgsz: tuple[int, int]) -> tuple[Path, ...]:
        """All pictures letterboxed as PNG: the toolkit itself would only stretch them."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for index in range(len(self)):
            path = folder / f"{index:05}.png"
            Image.fromarray(self.letterboxed(index, imgsz)).save(path, compress_level=1)
            paths.append(path)
        return tuple(paths)


def pictures_of(source: Path) -> list[Path]:
    """All pictures a folder (below it too), an Ultralytics ``data.yaml`` (its val, else train) or a list file names.

    Raises:
        UserError: it is none of these, or names what is not there.
    """
    if source.is_file() and source.suffix.lower() in {".yaml", ".yml"}:
        return [picture for part in parts_of(source) for picture in pictures_in(part)]
    return pictures_in(source)


def parts_of(data: Path) -> list[Path]:
    """The folders and lists of an Ultralytics ``data.yaml``'s val entry, of train where it has no val."""
    try:
        document = yaml.safe_load(data.read_text("utf-8"))
        root = data.parent / str(document.get("path", "."))
        parts = document.get("val") or document["train"]
        return [root / part for part in ([parts] if isinstance(parts, str) else parts)]
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise UserError(f"{data} is not an Ultralytics data.yaml.", "It needs a val or train entry.") from None


def pictures_in(source: Path) -> list[Path]:
    """All pictures below a folder, or those a list file names."""
    if source.is_dir():
        return sorted(p for p in source.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    if not source.is_file():
        raise UserError(f"--calib {source} does not exist.", "Give a folder of pictures, a data.yaml or a list.txt.")
    try:
        lines = [line.strip() for line in source.read_text("utf-8").splitlines() if line.strip()]
        paths = [source.parent / line for line in lines]  # an absolute one stays what it is
        missing = [path for path in paths if not path.is_file()]
    except (OSError, ValueError):  # no text, or lines that cannot be paths
        raise UserError(f"{source} is not a list of pictures.", "Put one path a line, or give a folder.") from None
    if missing:
        raise UserError(
            f"{source} names {len(missing)} missing pictures, first {missing[0]}.",
            "Correct the list; relative paths start from the list's folder.",
        )
    return paths


def from_pictures(source: Path, count: int) -> Calibration:
    """``count`` pictures (or all, if fewer) spread evenly over the sorted list."""
    found = pictures_of(source)
    if not found:
        raise UserError(f"No pictures in {source}.", f"Give a folder with some of: {', '.join(sorted(SUFFIXES))}.")
    index = np.linspace(0, len(found) - 1, min(count, len(found))).round().astype(int)
    chosen = [found[i] for i in index]
    digest = hashlib.sha256()
    for path in chosen:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return Calibration(source.name, digest.hexdigest(), tuple(p.name for p in chosen), partial(_nth, chosen))


def from_shapes(count: int, pose: bool) -> Calibration:
    """Drawn scenes for the starter models."""
    name = f"shapes{'-pose' if pose else ''}, {count} drawn from seed {FIRST_DRAWN_SEED}"
    return Calibration(
        name,
        hashlib.sha256(name.encode()).hexdigest(),
        tuple(f"seed-{FIRST_DRAWN_SEED + i}" for i in range(count)),
        partial(_draw, pose),
    )


def _nth(paths: Sequence[Path], index: int) -> np.ndarray:
    return read_image(paths[index])


def _draw(pose: bool, index: int) -> np.ndarray:
    from rknn_zoo_e2e.shapes import draw_scene

    return draw_scene(FIRST_DRAWN_SEED + index, pose=pose)[0]
