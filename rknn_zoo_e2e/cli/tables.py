"""Tables people look at."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from rknn_zoo_e2e.bundle import Artifact, Bundle

# How parity is shown, best known first: key of the report, heading, format.
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


def artifact_table(bundle: Bundle, artifacts: list[Artifact]) -> Table:
    """A row an artifact."""
    height, width = bundle.spec.imgsz
    title = f"{bundle.spec.name}: {bundle.spec.task}, {height} x {width} px, {bundle.layout}"
    table = Table(title=title, title_justify="left")
    for heading in ("SoC", "precision", "file"):
        table.add_column(heading, no_wrap=heading != "file", overflow="fold")
    for heading in ("MB", "NPU ops", "CPU ops", "traffic MB", "Mcycles"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("against fp32", overflow="fold")
    table.add_column("s", justify="right", no_wrap=True)
    for a in artifacts:
        where = a.placement
        table.add_row(
            a.soc,
            a.precision,
            a.file,
            f"{a.bytes / 1e6:.1f}",
            str(where["npu"]),
            str(len(where["cpu"])),
            f"{where['traffic_kb'] / 1024:.1f}",
            f"{where['cycles'] / 1e6:.2f}",
            parity_text(a.parity),
            f"{sum(a.seconds.values()):.0f}",
        )
    return table
