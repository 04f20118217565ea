"""What a bound on the loss led to, as a bundle keeps it: a file of numbers of the kind ``drop``.

Its form, in points of mAP50-95 x 100 of the task's own metric::

    {
      "limit": 0.5,                     the loss that was allowed
      "data": "coco",                   the data set's name
      "metric": "box",
      "pictures": {"choosing": 60, "confirming": 59, "left_out": 0},   left out: calibration pictures, too
      "fp32": {"choosing": 44.6, "confirming": 43.1},
      "tried": [                        in order; the first is what the plan gives
        {
          "blocks": ["model.4"],        out of INT8 besides the plan's
          "regions": [["first", "last"]],   all that is out of INT8, as in an artifact's "hybrid"
          "cycles": 1500000, "traffic_kb": 17000,
          "choosing": 0.8,              loss on the half that regions are chosen by
          "confirming": null            on the other, once the first is small enough: {"loss", "low", "high"}, the last
                                        two 95 % of it by a paired bootstrap
        }
      ],
      "met": true,                      null: the search was interrupted, the same command goes on
      "chosen": 0                       which of them the artifact is
    }
"""

from __future__ import annotations

from typing import Any

from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.bundle.numbers import read_numbers
from rknn_zoo_e2e.bundle.schema import AMOUNT, COUNT, HYBRID, MOST_RECORDED
from rknn_zoo_e2e.files.validation import listed, mapping, nullable, number, text, truth

KIND = "drop"
POINTS = number(-100, 100)
TRIED = mapping(
    {
        "blocks": listed(text(), 1000),
        "regions": HYBRID,
        "cycles": AMOUNT,
        "traffic_kb": AMOUNT,
        "choosing": POINTS,
        "confirming": nullable(mapping({"loss": POINTS, "low": POINTS, "high": POINTS})),
    }
)
DROP = mapping(
    {
        "limit": AMOUNT,
        "data": text(MOST_RECORDED),
        "metric": text(20),
        "pictures": mapping({"choosing": COUNT, "confirming": COUNT, "left_out": COUNT}),
        "fp32": mapping({"choosing": POINTS, "confirming": POINTS}),
        "tried": listed(TRIED, 100),
        "met": nullable(truth),
        "chosen": COUNT,
    }
)


def read_drop(bundle: Bundle, artifact: Artifact) -> dict[str, Any] | None:
    """What is kept of an artifact, in the form above; None where no bound was set.

    Raises:
        UserError: its file is missing, has another checksum, or holds something else.
    """
    found: dict[str, Any] | None = read_numbers(bundle, artifact, KIND, DROP)
    return found
