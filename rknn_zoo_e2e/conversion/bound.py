"""How much mAP a build may lose, and on which labelled pictures that is measured."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

from rknn_zoo_e2e.errors import UsageError
from rknn_zoo_e2e.files.checksum import sha256
from rknn_zoo_e2e.files.paths import user_path
from rknn_zoo_e2e.media.dataset import YAML, labelled_pictures

SPLIT = "val"


@dataclass(frozen=True)
class Bound:
    """A bound on the loss.

    Attributes:
        limit: points of mAP50-95 x 100.
        data: ``data.yaml``.
        digest: over the contents of its pictures and their labels, in order.
    """

    limit: float
    data: Path
    digest: str

    @classmethod
    def of(cls, limit: object, data: object) -> Bound | None:
        """From what was typed; None where neither was.

        Raises:
            UsageError: only one of them was, or it means nothing.
            UserError: the data set cannot be read.
        """
        if limit is None and data is None:
            return None
        if data is None:
            raise UsageError("--max-drop needs labelled pictures to measure the loss on.", "Add --data data.yaml.")
        if limit is None:
            raise UsageError("--data says what to measure a loss on, and no loss is bounded.", "Add --max-drop 0.5.")
        if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not 0 <= limit < math.inf:
            raise UsageError(f"--max-drop {limit!r} is no number of points from 0 on.", "Give one, such as 0.5.")
        path = user_path(data, "--data")
        if path.suffix.lower() not in YAML:
            raise UsageError(f"{path} is no data.yaml.", "Give the data.yaml of an Ultralytics data set.")
        digest = hashlib.sha256(path.read_bytes() if path.is_file() else path.name.encode())
        for picture in labelled_pictures(path, SPLIT):
            digest.update(bytes.fromhex(sha256(picture)))
            label = labels_of(picture)
            digest.update(label.read_bytes() if label.is_file() else b"none")
        return cls(float(limit), path, digest.hexdigest())


def labels_of(picture: Path) -> Path:
    """The file of a picture's labels, as Ultralytics finds it: below ``labels`` in place of the last ``images``."""
    parts = list(picture.absolute().with_suffix(".txt").parts)
    for place in reversed(range(len(parts) - 1)):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return Path(*parts)
