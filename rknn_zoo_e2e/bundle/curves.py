"""Precision by recall, as ``eval`` keeps it beside an artifact: numbers of the kind "evaluation"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.bundle.numbers import read_numbers
from rknn_zoo_e2e.bundle.schema import COUNT, WORD
from rknn_zoo_e2e.files.validation import listed, mapping, number, text

KIND = "evaluation"
POINTS = 101  # of a curve: recall 0, 0.01 ... 1

PRECISIONS = listed(number(0, 1), POINTS, POINTS)
RUN = mapping({"backend": WORD, "data": text(), "images": COUNT, "precision": mapping({}, PRECISIONS)})
CURVES = listed(RUN, 1000)


def read_curves(bundle: Bundle, artifact: Artifact) -> list[dict[str, Any]]:
    """The curves of each evaluation that has them.

    Returns:
        ``[{"backend", "data", "images", "precision": {"box": [...]}}]``: by kind of accuracy the precision (0..1, IoU
        0.5, the mean over classes) at each of :data:`POINTS` recalls.

    Raises:
        UserError: as of :func:`~rknn_zoo_e2e.bundle.numbers.read_numbers`.
    """
    found: list[dict[str, Any]] | None = read_numbers(bundle, artifact, KIND, CURVES)
    return found or []


def in_place_of(earlier: Sequence[dict[str, Any]], run: dict[str, Any]) -> list[dict[str, Any]]:
    """Runs with one more, which takes the place of one on the same data by the same backend."""
    return [*(one for one in earlier if any(one[key] != run[key] for key in ("backend", "data"))), run]
