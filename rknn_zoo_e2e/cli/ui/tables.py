"""Tables people look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from rknn_zoo_e2e.bundle.measurement import board_text, conditions, software_text
from rknn_zoo_e2e.bundle.model import Artifact, Bundle, layouts_of
from rknn_zoo_e2e.bundle.parity import parity_text
from rknn_zoo_e2e.tasks.contract import DEFAULT

if TYPE_CHECKING:
    from rknn_zoo_e2e.analysis.drop import Held
    from rknn_zoo_e2e.boards.speed import Prediction
    from rknn_zoo_e2e.conversion.pipeline import Conversion

WORTH_SAYING = 0.05  # of a predicted speed, what the CPU takes
LEAST_MS = 0.05  # shown as 0.1


def artifact_table(bundle: Bundle, artifacts: list[Artifact]) -> Table:
    """A row an artifact."""
    height, width = bundle.spec.imgsz
    title = f"{bundle.spec.name}: {bundle.spec.task}, {height} x {width} px, {layouts_text(artifacts)}"
    if bundle.spec.contract != DEFAULT:
        title += f", for {bundle.spec.contract}"
    table = Table(title=title, title_justify="left")
    for heading in ("SoC", "precision", "file"):
        table.add_column(heading, no_wrap=heading != "file", overflow="fold")
    for heading in ("MB", "NPU ops", "CPU ops", "traffic MB", "Mcycles"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("against fp32", overflow="fold")
    table.add_column("s", justify="right", no_wrap=True)
    for a in artifacts:
        table.add_row(
            a.soc,
            a.precision,
            a.file,
            f"{a.bytes / 1e6:.1f}",
            *placed(a.placement),
            parity_text(a.parity),
            f"{sum(a.seconds.values()):.0f}",
        )
    return table


def layouts_text(artifacts: Sequence[Artifact]) -> str:
    """Their layout; where they differ, each with its SoCs: "flat (rk3566), grid (rv1106)"."""
    found = layouts_of(artifacts)
    return ", ".join(layout if len(found) == 1 else f"{layout} ({', '.join(socs)})" for layout, socs in found.items())


def placed(where: dict[str, Any]) -> tuple[str, str, str, str]:
    """Ops on the NPU and on the CPU, traffic in MB and cycles in millions; empty where a bundle does not say."""
    if not where:
        return "", "", "", ""
    mega = f"{where['traffic_kb'] / 1024:.1f}", f"{where['cycles'] / 1e6:.2f}"
    return str(where["npu"]), str(len(where["cpu"])), *mega


def predictions(artifacts: Sequence[Artifact]) -> list[str]:
    """A line for each artifact whose speed is predicted, saying what the figures mean."""
    return [
        f"Predicted on {a.soc}: {p.ms:.1f} ms a picture ({p.low:.1f} to {p.high:.1f}), {rate(p.fps)} frames a second; "
        f"one core, inference alone; {p.basis}.{on_the_cpu(a, p)}"
        for a in artifacts
        if (p := a.predicted)
    ]


def rate(fps: float) -> str:
    """Frames a second, of three digits or more no fractions."""
    return f"{fps:.{1 if fps < 100 else 0}f}"


def on_the_cpu(artifact: Artifact, predicted: Prediction) -> str:
    """What of a predicted speed the CPU takes, and whether the other layout would spare it; "" where that is little."""
    if predicted.on_cpu < max(WORTH_SAYING * predicted.ms, LEAST_MS):
        return ""
    said = f" {predicted.on_cpu:.1f} ms of it are for operators that stay on the CPU"
    # Of our own graphs only the last Reshape of layout flat does.
    last = artifact.layout == "flat" and {op["op"] for op in artifact.placement["cpu"]} == {"Reshape"}
    return said + ("; with --layout grid none does." if last else ".")


def measurements(artifacts: Sequence[Artifact]) -> list[str]:
    """A line for each time a board measured one of them."""
    return [measurement_line(a, one) for a in artifacts for one in a.measured]


def measurement_line(artifact: Artifact, one: Mapping[str, Any]) -> str:
    """What a board measured, and under which conditions."""
    infer, fps = one["stages"]["infer"], one["fps"]["one_by_one"]
    ms = f"{infer['p50']:.1f} ms a picture (p90 {infer['p90']:.1f})"
    said = [
        f"Measured on {board_text(one)}: {ms}, {rate(fps)} frames a second",
        f"{artifact.precision}, one core",
        *(sentence.rstrip(".") for sentence in conditions(one)),
        software_text(one),
        one["date"],
    ]
    return f"{'; '.join(said)}."


def predictions_in_short(model: str, artifacts: Sequence[Artifact]) -> list[str]:
    """The same in one line, one of many models; none where nothing is predicted."""
    said = [f"{a.soc} {p.ms:.1f} ({p.low:.1f} to {p.high:.1f})" for a in artifacts if (p := a.predicted)]
    return [f"Predicted ms a picture of {model}: {', '.join(said)}"] if said else []


def summary_table(conversions: Sequence[Conversion]) -> Table:
    """A row a build of several models, those that failed among them."""
    table = Table(
        caption=", ".join(f"{n} {what}" for what, n in tally(conversions).items() if n), caption_justify="left"
    )
    for heading in ("model", "SoC", "result"):
        table.add_column(heading, no_wrap=True)
    for heading in ("MB", "CPU ops", "Mcycles"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("against fp32, or why it failed", overflow="fold")
    table.add_column("s", justify="right", no_wrap=True)
    for c in conversions:
        for a in c.wanted:
            _, cpu, _, cycles = placed(a.placement)
            figures = (f"{a.bytes / 1e6:.1f}", cpu, cycles)
            result = "reused" if a in c.reused else "built"
            table.add_row(c.model, a.soc, result, *figures, parity_text(a.parity), f"{sum(a.seconds.values()):.0f}")
        for soc, error in c.failed.items():
            table.add_row(c.model, soc, "failed", "", "", "", Text(error.what), "", style="red")
    return table


def tally(conversions: Sequence[Conversion]) -> dict[str, int]:
    """How many builds were built, reused and failed."""
    reused, failed = sum(len(c.reused) for c in conversions), sum(len(c.failed) for c in conversions)
    return {"built": sum(len(c.wanted) for c in conversions) - reused, "reused": reused, "failed": failed}


def drop_table(held: Held) -> Table:
    """A row a build that was tried to keep to a bound on the loss."""
    report = held.report
    counts = report["pictures"]
    title = (
        f"{held.model} for {held.soc}: loss of mAP50-95 x 100 ({report['metric']}) against fp32, at most "
        f"{report['limit']:g}; {counts['choosing']} pictures to choose by, {counts['confirming']} to confirm"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("out of INT8 besides the plan's", overflow="fold")
    for heading in ("blocks\nin all", "Mcycles", "traffic\nMB", "loss", "con-\nfirming", "95 %"):
        table.add_column(heading, justify="right", no_wrap=True)
    for index, (one, (step, blocks)) in enumerate(zip(report["tried"], held.steps, strict=True)):
        sure, kept = one["confirming"], index == report["chosen"]
        table.add_row(
            Text("\n".join(step)),
            f"{blocks}\nkept" if kept else blocks,
            f"{one['cycles'] / 1e6:.2f}",
            f"{one['traffic_kb'] / 1024:.1f}",
            f"{one['choosing']:.2f}",
            f"{sure['loss']:.2f}" if sure else "",
            f"{sure['low']:.2f} to {sure['high']:.2f}" if sure else "",
            style="bold" if kept else "",
        )
    return table
