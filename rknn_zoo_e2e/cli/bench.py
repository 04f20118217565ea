"""``e2erknn bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rknn_zoo_e2e.cli.ui.options import Backend, Cores, Precision, SocOf, Trust, soc_named
from rknn_zoo_e2e.cli.ui.output import Debug, Json, Quiet, emit


def bench(
    model: Annotated[
        str | None, typer.Argument(metavar="[BUNDLE]", help="Default: the newest bundle here, else yolov8n.")
    ] = None,
    images: Annotated[
        list[str] | None, typer.Option("--images", "-i", help="Pictures or folders. Default: one that comes with this.")
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="How many to measure; each picture takes an equal share.")] = 200,
    warmup: Annotated[int, typer.Option(min=0, help="Pictures before that, not measured.")] = 10,
    conf: Annotated[float, typer.Option(min=0, max=1, help="Least score.")] = 0.25,
    backend: Backend = "auto",
    soc: SocOf = None,
    precision: Precision = None,
    cores: Cores = "auto",
    trust: Trust = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure the time of each stage: read, letterbox, infer, post, draw; on a board each NPU core and all together.

    Example: e2erknn bench yolov8n_rknn_model --images pictures/ --runs 500
    """
    from rknn_zoo_e2e.cli.media.sources import find_sources
    from rknn_zoo_e2e.cli.ui.progress import StageProgress
    from rknn_zoo_e2e.errors import UsageError
    from rknn_zoo_e2e.measure.bench import bench as run
    from rknn_zoo_e2e.media.picture import Picture
    from rknn_zoo_e2e.runtime.loading import load
    from rknn_zoo_e2e.tasks.base import Thresholds
    from rknn_zoo_e2e.zoo import MODELS

    soc = soc_named(soc)
    found = find_sources(images or [str(MODELS / "sample.jpg")])
    if any(source.video for source in found):
        raise UsageError("bench measures pictures, not videos.", "Give pictures or folders of them with --images.")
    pictures = [source.place for source in found if isinstance(source.place, (Path, Picture))]
    with StageProgress() as progress:
        what = model or "model"

        follow = progress.of(what)
        with load(
            model, backend, soc, precision, None, Thresholds(conf), cores.lower().replace("auto", "all"), follow, trust
        ) as loaded:
            measured = run(loaded, pictures, runs, warmup, follow)
            spec, artifact, name = loaded.spec, loaded.artifact, loaded.backend
        progress.done(what)
    document = {
        "model": spec.name,
        "backend": name,
        "soc": artifact.soc if artifact else None,
        "precision": artifact.precision if artifact else None,
        "pictures": len(pictures),
        "runs": runs,
        "warmup": warmup,
        **measured,
    }
    emit(document, table(document), *lines(document))


def table(document: dict[str, Any]) -> Any:
    """Stages, then cores, by percentile."""
    from rich.table import Table

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
    return [runs, cpu, f"{fps['one_by_one']:.1f} FPS one by one, {together}."]
