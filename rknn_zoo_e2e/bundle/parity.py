"""How a build's agreement with fp32 is put in words, for tables and model cards."""

from __future__ import annotations

from typing import Any

# How parity is shown, best known first: key of the report, heading, format. Key points are as far apart as in the
# model's input, so that the figure does not depend on how large the pictures were.
PARITY = (
    ("recall", "recall", "{:.0%}"),
    ("mean_iou", "IoU", "{:.3f}"),
    ("score_difference", "Δscore", "{:.3f}"),
    ("keypoint_px", "kpt px", "{:.2f}"),
    ("mask_iou", "mask IoU", "{:.3f}"),
    ("angle_degrees", "angle °", "{:.2f}"),
)


def parity_text(parity: dict[str, Any]) -> str:
    """One line: passed or not, and the figures there are."""
    if not parity:
        return "not verified"
    figures = [f"{head} {form.format(parity[key])}" for key, head, form in PARITY if key in parity]
    if not parity["detections"]:
        figures = [f"nothing detected, score cosine {parity['cosine']['scores']:.4f}"]
    return ("ok: " if parity["passed"] else "FAILED: ") + ", ".join(figures)
