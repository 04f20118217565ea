"""Labelled pictures in two halves: one to choose by, one to confirm with, and no calibration picture in either."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import yaml

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.checksum import sha256
from rknn_zoo_e2e.media.dataset import SPLITS, pictures_of, read_data

LEAST = 4  # pictures, two in a half
NOT_OURS = ("path", "minival", "download", *SPLITS)


@dataclass(frozen=True)
class Halves:
    """Two data sets, ``data.yaml`` each, how many pictures they have, and how many were calibration pictures."""

    choosing: Path
    confirming: Path
    counts: dict[str, int]


def halves_of(data: Path, split: str, calibration: Collection[str], folder: Path) -> Halves:
    """Splits a data set by its pictures' contents: the same pictures make the same halves, whatever they are called.

    Args:
        data: ``data.yaml``.
        split: which part of it.
        calibration: sha256 of the calibration pictures; those are left out.
        folder: where the two are written.

    Raises:
        UserError: it cannot be read, or too few pictures are left.
    """
    _, document = read_data(data)
    files = pictures_of(data, (split,)).files
    found: dict[str, list[Path]] = {}
    for path in files:
        found.setdefault(sha256(path), []).append(path)  # copies of a picture are in one half
    held = {digest: paths for digest, paths in found.items() if digest not in calibration}
    left_out = len(files) - sum(map(len, held.values()))
    if len(held) < LEAST:
        less = f", without {left_out} that it is calibrated with" if left_out else ""
        raise UserError(
            f"The {split} part of {data} has {len(held)} different pictures{less}: too few for two halves.",
            "Give --data with some hundred labelled pictures that are in no calibration.",
        )
    ordered = sorted(held)
    parts = {"choosing": ordered[::2], "confirming": ordered[1::2]}
    facts = {key: value for key, value in document.items() if key not in NOT_OURS}
    counts = {"left_out": left_out}
    for name, digests in parts.items():
        pictures = [str(path.absolute()) for digest in digests for path in held[digest]]
        counts[name] = len(pictures)
        half = folder / name
        half.mkdir(parents=True)
        (half / "pictures.txt").write_text("\n".join(pictures), "utf-8")
        lists = dict.fromkeys(("train", "val"), str((half / "pictures.txt").absolute()))
        (half / "data.yaml").write_text(yaml.safe_dump(facts | lists), "utf-8")
    return Halves(folder / "choosing/data.yaml", folder / "confirming/data.yaml", counts)
