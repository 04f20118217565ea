"""What ``analyze`` finds out about an artifact, as its bundle keeps it: a file of numbers of the kind ``analysis``.

Its form, with the units (the blocks are ranked: those in INT8 first, in both groups the largest ``gain.share``)::

    {
      "state": "build",                 what was analysed: the artifact's plan, or "all-int8", all in INT8 but what
                                        decodes boxes, where the NPU can do that in more bits
      "wide": "fp16",                   what a block is computed in that is not INT8: "fp16", "int16"; null where the
                                        NPU cannot, so that nothing has a cost
      "pictures": {"name": "calib-coco", "count": 8, "digest": "..."},
      "errors": {                       of the state against fp32, over anchors to which fp32 gives more than 0.1
        "anchors": 5123,                how many these are
        "score": 0.0213,                mean error of the score of the class fp32 finds best, 0..1
        "box_px": 0.61,                 mean error of the four values of the box, px of the input
        "keypoints_px": 1.2             the task's own, if it has one, its unit in its name: of key points, weighed by
                                        how visible they are; "mask", of its probability in the box, 0..1;
                                        "angle_degrees"; "own" and "gain" below have it, too
      },
      "blocks": [
        {
          "name": "model.10 attention",
          "stride": 32,                 input px per cell of what it gives; null where that is no map
          "int8": false,                whether the state has it in INT8
          "regions": [["first", "last"]],   tensors between which it lies, as in an artifact's "hybrid"
          "snr_db": 21.4,               of what it gives, where it alone is INT8 and reads exact values; null: no noise
          "snr_state_db": 18.2,         of what it gives in the state, noise of all before it included; null: no noise
          "own": {"score": 0.0121, "box_px": 0.19},    the model's errors where this block alone is INT8
          "gain": {                     what leaving INT8 there alone gives
            "score": 0.0041,            the state's errors with the block in INT8 less those with it in fp32, all others
            "box_px": 0.12,             as they are; small ones waver with which way other roundings fall, below 0 too
            "share": 0.19               of the state's errors that is the block's own, (own / errors)^2, in the kind
                                        where it is most. Blocks' errors add up in squares;
                                        where the state has the block in INT8 this is what is gained, else what is
                                        saved, which may be more than 1
          },
          "cost": {"cycles": 51200, "traffic_kb": 690},    out of INT8 more than in it, predicted from the compiler's
                                        tables of a build in INT8 and one without; null where "wide" is
          "built": {"cycles": 51013, "traffic_kb": 706}    the same between two builds that differ in this block alone;
                                        null where none was made
        }
      ]
    }
"""

from __future__ import annotations

from typing import Any

from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.bundle.numbers import read_numbers
from rknn_zoo_e2e.bundle.schema import AMOUNT, COUNT, HYBRID, MOST_RECORDED
from rknn_zoo_e2e.files.validation import choice, listed, mapping, nullable, number, text, truth

KIND = "analysis"
STATES = ("build", "all-int8")
KINDS = SCORE, BOX = "score", "box_px"  # of errors, that every task has

COST = mapping({"cycles": number(), "traffic_kb": number()})
BLOCK = mapping(
    {
        "name": text(),
        "stride": nullable(number(0, 10**5)),
        "int8": truth,
        "regions": HYBRID,
        "snr_db": nullable(number(-1000, 1000)),
        "snr_state_db": nullable(number(-1000, 1000)),
        "own": mapping(dict.fromkeys(KINDS, AMOUNT), AMOUNT),
        "gain": mapping(dict.fromkeys((*KINDS, "share"), number()), number()),
        "cost": nullable(COST),
        "built": nullable(COST),
    }
)
ANALYSIS = mapping(
    {
        "state": choice(*STATES),
        "wide": nullable(choice("fp16", "int16")),
        "pictures": mapping({"name": text(MOST_RECORDED), "count": COUNT, "digest": text(64)}),
        "errors": mapping({"anchors": COUNT, **dict.fromkeys(KINDS, AMOUNT)}, AMOUNT),
        "blocks": listed(BLOCK, 1000),
    }
)


def read_analysis(bundle: Bundle, artifact: Artifact) -> dict[str, Any] | None:
    """What is kept of an artifact, in the form above; None where it was not analysed.

    Raises:
        UserError: its file is missing, has another checksum, or holds something else.
    """
    found: dict[str, Any] | None = read_numbers(bundle, artifact, KIND, ANALYSIS)
    return found


def named(kind: str) -> str:
    """A kind of error for people: box_px is "box px"."""
    return kind.replace("_", " ")
