"""How a build agrees with fp32 on pictures of the user's: numbers of the kind "agreement", which ``report`` keeps.

Scores and figures alone: no picture is kept, and no file name.
"""

from __future__ import annotations

from typing import Any

from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.bundle.numbers import read_numbers
from rknn_zoo_e2e.bundle.schema import COUNT, PARITY, WORD
from rknn_zoo_e2e.files.validation import listed, mapping, nullable, number, text

KIND = "agreement"
MOST_PAIRS = 20_000  # of scores

SCORE = nullable(number(0, 2))
AGREEMENT = mapping(
    {
        "backend": WORD,
        "data": text(),
        "pictures": COUNT,
        "lost": COUNT,
        "new": COUNT,
        "parity": PARITY,
        "scores": listed(listed(SCORE, 2, 2), MOST_PAIRS),
    }
)


def read_agreement(bundle: Bundle, artifact: Artifact) -> dict[str, Any] | None:
    """What was kept last, None where nothing is.

    Returns:
        ``{"backend", "data", "pictures", "lost", "new", "parity", "scores"}``: detections of fp32 that the build has
        not, and the other way round; ``parity`` as of an artifact; the scores of each detection in fp32 and in the
        build, None where it is not found there.

    Raises:
        UserError: as of :func:`~rknn_zoo_e2e.bundle.numbers.read_numbers`.
    """
    found: dict[str, Any] | None = read_numbers(bundle, artifact, KIND, AGREEMENT)
    return found
