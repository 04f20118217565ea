"""What a model card says of speed: predicted for boards, and measured on them."""

from __future__ import annotations

from typing import Any

from rknn_zoo_e2e.boards.speed import Prediction
from rknn_zoo_e2e.bundle.measurement import board_text, clock_of, clock_text, software_text
from rknn_zoo_e2e.bundle.model import METADATA, Artifact, Bundle
from rknn_zoo_e2e.publishing.markdown import plain, table

MEASURED_BY = (
    "By `e2erknn bench` on the boards of those who sent these figures. The milliseconds are one picture's inference on "
    "one core, with its copies in and out; frames a second go from a decoded picture to its detections, one by one and "
    f"on all cores that were used. Every stage is in `{METADATA}`."
)


def predicted_speed(bundles: list[Bundle]) -> str:
    """How long a picture is predicted to take, where it is."""
    predicted = [(a.soc, p) for b in bundles for a in b.artifacts if (p := a.predicted)]
    if not predicted:
        return ""
    rows = [(soc, f"{p.ms:.1f}", interval(p), f"{p.fps:.1f}", p.basis) for soc, p in predicted]
    headings = ("SoC", "predicted ms a picture", "interval", "predicted frames a second", "basis")
    note = "Predicted from the compiler's figures, not measured on a board: INT8, one core, inference alone."
    return f"## Predicted speed\n\n{table(headings, rows)}\n\n{note}"


def measured_speed(bundles: list[Bundle]) -> str:
    """How long a picture took on boards, beside what was predicted; where somebody measured it."""
    rows = [measured_row(a, one) for b in bundles for a in b.artifacts for one in a.measured]
    if not rows:
        return ""
    times = ("measured ms, p50 (p90)", "predicted ms", "frames a second", "on all cores")
    headings = ("build", "board", *times, "NPU clock", "by", "date")
    return f"## Measured speed\n\n{table(headings, rows)}\n\n{MEASURED_BY}"


def measured_row(artifact: Artifact, one: dict[str, Any]) -> tuple[str, ...]:
    """The cells of one measurement."""
    infer, fps, npu, predicted = one["stages"]["infer"], one["fps"], clock_of(one, "npu"), artifact.predicted
    return (
        f"{artifact.soc} {artifact.precision}",
        plain(board_text(one)),
        f"{infer['p50']:.1f} ({infer['p90']:.1f})",
        f"{predicted.ms:.1f} ({interval(predicted)})" if predicted else "",
        f"{fps['one_by_one']:.1f}",
        f"{fps['pooled']:.1f} ({one['run']['contexts']})",
        plain(clock_text(npu)) if npu else "unknown",
        plain(software_text(one)),
        plain(one["date"]),
    )


def interval(predicted: Prediction) -> str:
    """Of a prediction, in ms."""
    return f"{predicted.low:.1f} to {predicted.high:.1f}"
