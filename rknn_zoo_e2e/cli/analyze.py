"""``e2erknn analyze``: what INT8 costs each block."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from rich import box
from rich.table import Table

from rknn_zoo_e2e.analysis.analyze import Analysis, Part
from rknn_zoo_e2e.analysis.costs import Cost
from rknn_zoo_e2e.analysis.run import Wanted, keep, run
from rknn_zoo_e2e.bundle.analysis import SCORE, named
from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.cli.ui.output import Output
from rknn_zoo_e2e.cli.ui.progress import StageProgress
from rknn_zoo_e2e.cli.ui.soc import soc_named


def analyze_model(
    output: Output,
    model: str,
    soc: str | None,
    calib: Path | None,
    calib_images: int,
    all_int8: bool,
    check: int,
    trust: bool,
    no_keep: bool,
) -> None:
    """Analyses, shows a table of blocks, and keeps the figures in the bundle unless ``no_keep``."""
    wanted = Wanted(model, soc_named(soc, output), calib, calib_images, all_int8, check, trust)
    with StageProgress(output) as progress:
        bundle, artifact, analysis = run(wanted, progress)
    document = {
        "model": bundle.spec.name,
        "bundle": str(bundle.path),
        "soc": artifact.soc,
        "precision": artifact.precision,
        **analysis.report(),
    }
    if not no_keep:  # before anything is shown: who reads it may have read enough
        keep(model, bundle, artifact, analysis, output.note)
    output.emit(document, table(bundle, artifact, analysis), *lines(artifact, analysis))


def table(bundle: Bundle, artifact: Artifact, analysis: Analysis) -> Table:
    """A row a block, those that are out of INT8 in a section of their own; narrow enough for 80 columns."""
    as_if = ", as if the whole network were INT8" if analysis.state == "all-int8" else ""
    title = f"{bundle.spec.name} on {artifact.soc}{as_if}"
    out = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    out.add_column("block", overflow="fold")
    out.add_column("in", no_wrap=True)
    kinds = [named(kind).replace(" ", "\n") for kind in analysis.errors.mean]
    for heading in ("SNR\ndB", "SNR\nhere", "share\n%", *kinds, "M\ncycles", "KB"):
        out.add_column(heading, justify="right", no_wrap=True)
    for int8, parts in groupby(analysis.parts, lambda part: part.int8):
        for part in parts:
            out.add_row(part.block.name, "INT8" if int8 else str(analysis.wide), *figures(part), *cost(part.cost))
            if part.built:
                out.add_row("  as built", "", *[""] * (3 + len(kinds)), *cost(part.built))
        out.add_section()
    return out


def figures(part: Part) -> tuple[str, ...]:
    """Ratios, share and gains of a block."""
    ratios = ("none" if ratio is None else f"{ratio:.1f}" for ratio in (part.alone, part.in_state))
    share = f"{100 * part.share:.{1 if part.int8 else 0}f}"
    return (*ratios, share, *(f"{gain:+.{4 if kind == SCORE else 3}f}" for kind, gain in part.gain.mean.items()))


def cost(found: Cost | None) -> tuple[str, str]:
    """Cycles in millions and traffic in KB, with their sign."""
    return (f"{found.cycles / 1e6:+.3f}", f"{found.traffic_kb:+.0f}") if found else ("", "")


def lines(artifact: Artifact, analysis: Analysis) -> list[str]:
    """What the table means."""
    errors, count = analysis.errors, len(analysis.pictures)
    kinds = [named(kind) for kind in errors.mean]
    means = ", ".join(f"{named(kind)} {mean:.4f}" for kind, mean in errors.mean.items())
    said = [
        f"Errors against fp32 over {errors.anchors} anchors of {count} pictures: {means}.",
        "SNR: the block alone in INT8; SNR here: with the noise of all before it. Share: of the errors' squares, the "
        "block's own; of a block out of INT8, what that saves.",
        f"{', '.join(kinds).capitalize()}: how much smaller the errors are with this block out of INT8 than in it.",
    ]
    if analysis.wide is None:
        return [
            *said,
            f"No costs: the NPU of {artifact.soc} computes convolutions in INT8 alone, nothing can leave it.",
        ]
    return [*said, f"Mcycles, KB: what {analysis.wide} takes there more than INT8, by the compiler's tables."]
