"""Labelled pictures in two halves: one to choose by, one to confirm with, and no calibration picture in either."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.bundle.reader import read_ranges
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.checksum import sha256
from rknn_zoo_e2e.media.dataset import labelled_pictures

HALVES = ("choosing", "confirming")
LEAST = 4  # pictures, two in a half


@dataclass(frozen=True)
class Halves:
    """The pictures of each half, and how many were left out as calibration pictures."""

    choosing: tuple[Path, ...]
    confirming: tuple[Path, ...]
    left_out: int

    @property
    def counts(self) -> dict[str, int]:
        """How many pictures are where."""
        return {"left_out": self.left_out, "choosing": len(self.choosing), "confirming": len(self.confirming)}


def halves_of(data: Path, split: str, calibration: Collection[str]) -> Halves:
    """Splits a data set by its pictures' contents: the same pictures make the same halves, whatever they are called.

    Args:
        data: ``data.yaml``.
        split: which part of it.
        calibration: sha256 of the calibration pictures; those are left out.

    Raises:
        UserError: it cannot be read, or too few pictures are left.
    """
    files = labelled_pictures(data, split)
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
    ordered = [held[digest] for digest in sorted(held)]
    choosing, confirming = (tuple(path for paths in ordered[first::2] for path in paths) for first in (0, 1))
    return Halves(choosing, confirming, left_out)


def calibrated_with(bundle: Bundle, artifact: Artifact) -> Collection[str]:
    """sha256 of the pictures an artifact was calibrated with; none of fp16, nor of drawn ones, which are no files.

    Raises:
        UserError: its calibration cannot be read, or does not say.
    """
    if not artifact.calibration:
        return ()
    digests: list[str] | None = read_ranges(bundle, artifact).get("digests")
    if digests is None:
        raise UserError(
            f"{artifact.file} was built by an earlier version, which did not keep the checksums of the pictures it was "
            "calibrated with, so that they cannot be left out.",
            "Convert the model again, into another folder with -o, and evaluate that.",
        )
    return digests
