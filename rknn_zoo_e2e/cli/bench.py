"""``e2erknn bench``: the time of each stage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.table import Table

from rknn_zoo_e2e.boards import probe
from rknn_zoo_e2e.boards.clocks import Watch
from rknn_zoo_e2e.bundle.measurement import conditions
from rknn_zoo_e2e.bundle.measurement_file import write_measurement
from rknn_zoo_e2e.cli.media.sources import find_sources
from rknn_zoo_e2e.cli.ui.output import Output
from rknn_zoo_e2e.cli.ui.progress import StageProgress
from rknn_zoo_e2e.cli.ui.soc import soc_named
from rknn_zoo_e2e.errors import UsageError
from rknn_zoo_e2e.measure.bench import bench as run
from rknn_zoo_e2e.measure.recording import entry, machine, to_record
from rknn_zoo_e2e.media.picture import Picture
from rknn_zoo_e2e.runtime.loading import open_model
from rknn_zoo_e2e.runtime.options import LoadOptions
from rknn_zoo_e2e.runtime.registry import BACKENDS
from rknn_zoo_e2e.tasks.base import Thresholds
from rknn_zoo_e2e.zoo import MODELS


def measure_stages(
    output: Output,
    model: str | None,
    images: list[str] | None,
    runs: int,
    warmup: int,
    conf: float,
    backend: str,
    soc: str | None,
    precision: str | None,
    cores: str,
    trust: bool,
    save: Path | None,
) -> None:
    """Loads the model, measures, and shows a table of stages and cores; with ``save`` records it for others."""
    soc = soc_named(soc, output)
    found = find_sources(images or [str(MODELS / "sample.jpg")])
    if any(source.video for source in found):
        raise UsageError("bench measures pictures, not videos.", "Give pictures or folders of them with --images.")
    pictures = [source.place for source in found if isinstance(source.place, (Path, Picture))]
    with StageProgress(output) as progress:
        what = model or "model"

        follow = progress.of(what)
        count = cores.lower().replace("auto", "all")
        options = LoadOptions.of(model, backend, soc, precision, None, Thresholds(conf), count, follow, trust)
        bundle = to_record(options, save) if save else None
        with open_model(replace(options, model=str(bundle.path)) if bundle else options) as loaded:
            on = machine(loaded.backend) if save else {}
            watch = Watch(probe.ROOT)
            measured = run(loaded, pictures, runs, warmup, follow, watch.look)
            measured |= watch.report() if BACKENDS[loaded.backend].has_npu else {"clocks": [], "temperatures": []}
            spec, artifact, name, contexts = loaded.spec, loaded.artifact, loaded.backend, loaded.contexts
        progress.done(what)
    how = {"pictures": len(pictures), "runs": runs, "warmup": warmup}
    if save and bundle and artifact:
        write_measurement(save, bundle, artifact, entry(on, measured, **how, contexts=contexts, conf=conf))
    document = {
        "model": spec.name,
        "backend": name,
        "soc": artifact.soc if artifact else None,
        "precision": artifact.precision if artifact else None,
        **how,
        **measured,
        "saved": str(save) if save else None,
    }
    output.emit(document, table(document), *lines(document))


def table(document: dict[str, Any]) -> Table:
    """Stages, then cores, by percentile."""
    out = Table(title=f"{document['model']}, {document['backend']}", title_justify="left")
    for heading in ("ms", "p50", "p90", "p99"):
        out.add_column(heading, justify="left" if heading == "ms" else "right")
    rows = dict(document["stages"])
    if len(document["cores"]) > 1:
        rows |= {f"infer, core {core} alone": times for core, times in enumerate(document["cores"])}
    for stage, times in rows.items():
        cells = [f"{times[p]:.2f}" for p in ("p50", "p90", "p99")] if times else ["no NPU here", "", ""]
        out.add_row(stage, *cells)
    return out


def lines(document: dict[str, Any]) -> list[str]:
    """What the table means for throughput."""
    runs = f"{document['runs']} runs over {document['pictures']} picture(s), {document['detections']} detections each."
    cpu = f"Processor time from a decoded picture to its detections: {document['cpu_ms']:.2f} ms (letterbox and post)."
    fps, count = document["fps"], max(len(document["cores"]), 1)
    if fps is None:
        by = f"The NPU was not measured: outputs came from the backend {document['backend']}. Run it on a board."
        return [runs, cpu, by]
    together = f"{fps['pooled']:.1f} FPS" + (f" on {count} cores together" if count > 1 else " with threads")
    said = [runs, cpu, f"{fps['one_by_one']:.1f} FPS one by one, {together}.", *conditions(document)]
    return [*said, *([f"Saved in {document['saved']}."] if document["saved"] else [])]
