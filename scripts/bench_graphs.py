#!/usr/bin/env python3
"""Our graph beside Ultralytics' and Rockchip's, all INT8 from the same checkpoint and the same calibration pictures.

    E2ERKNN_DATA=../shared/data python scripts/bench_graphs.py yolov8n yolov8n-pose --soc rk3566 --soc rk3588

Three graphs a model and SoC (`--graph` takes some of them):

- stock: what Ultralytics' `format=rknn quantize=8` exports, one decoded and normalised output;
- zoo: the outputs of Rockchip's rknn_model_zoo, whose decode is left to the CPU and done here in numpy;
- ours: what `e2erknn convert` makes;
- model-zoo, frigate: what it makes with `--for` that reader. Not by default.

The first two are built by the vendor's plain `rknn.build(do_quantization=True, dataset=...)`, but the zoo's key points
by its own hybrid recipe. The vendor's simulator runs them all and Ultralytics' validator scores all, and PyTorch in
fp32 too; nothing runs on a board. Ops, traffic and cycles are from the compiler's table (without the copies of inputs
and outputs). Seconds are wall time to load the ONNX file, calibrate and build. Markdown on stdout, or JSON with --json.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import onnx
import typer
from peers import ZOO, Peer, Stock
from plain_build import PlainBuild

from rknn_zoo_e2e.boards.soc import Soc, find_soc
from rknn_zoo_e2e.checkpoint.source import load_source
from rknn_zoo_e2e.cli.ui.failures import reporting_errors
from rknn_zoo_e2e.cli.ui.options import Debug, Json, Quiet
from rknn_zoo_e2e.cli.ui.output import Output
from rknn_zoo_e2e.cli.ui.progress import StageProgress
from rknn_zoo_e2e.conversion.fingerprint import package_versions
from rknn_zoo_e2e.conversion.options import Options
from rknn_zoo_e2e.conversion.pipeline import convert
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.measure.evaluate import evaluate
from rknn_zoo_e2e.quantization.calibration import DEFAULT_PICTURES, from_pictures
from rknn_zoo_e2e.runtime.loading import load
from rknn_zoo_e2e.runtime.pool import Pool
from rknn_zoo_e2e.runtime.predictor import Predictor
from rknn_zoo_e2e.tasks.base import Thresholds
from rknn_zoo_e2e.tasks.registry import TASKS
from rknn_zoo_e2e.tasks.spec import ModelSpec, read_imgsz
from rknn_zoo_e2e.toolkit.buildlog import placement
from rknn_zoo_e2e.toolkit.job import BuildJob
from rknn_zoo_e2e.vision.arrays import Floats, Pixels
from rknn_zoo_e2e.zoo import Source, resolve

DataFolder = Annotated[
    Path, typer.Option(envvar="E2ERKNN_DATA", help="Folder of the data sets and calibration pictures.")
]
CalibImages = Annotated[int, typer.Option(min=1, help="How many pictures to calibrate with.")]

GRAPHS = ("stock", "zoo", "ours")
OTHER_READERS = ("model-zoo", "frigate")

# Labelled pictures (Ultralytics' data.yaml) and calibration pictures of a task, below the folder of --data.
DATA = {
    "detect": ("coco-detect/data.yaml", "calib-coco"),
    "pose": ("coco-pose/data.yaml", "calib-coco"),
    "segment": ("coco-segment/data.yaml", "calib-coco"),
    "obb": ("dota-obb/data.yaml", "calib-aerial"),
}


@dataclass
class Row:
    """One model x SoC x graph.

    Attributes:
        graph: stock, zoo, ours, or fp32 for PyTorch on the checkpoint.
        metric: the task's own, a key of ``metrics``.
        images: how many pictures were scored.
        metrics: kind -> {"map50", "map"}, 0..1.
        outputs: how many the graph has.
        after: what is left to the CPU besides NMS.
        hybrid: what is not INT8, [first tensor, last tensor].
        placement: as :func:`rknn_zoo_e2e.toolkit.buildlog.placement` says.
        seconds: wall time by stage, as far as all graphs have it.
        error: why there is nothing more.
    """

    model: str
    soc: str
    graph: str
    metric: str
    images: int = 0
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    outputs: int = 0
    after: str = ""
    hybrid: list[list[str]] = field(default_factory=list)
    placement: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    error: str = ""

    @property
    def name(self) -> str:
        return " ".join(part for part in (self.model, self.soc, self.graph) if part)


class PeerRuntime:
    """A peer in the simulator (``rknn_zoo_e2e.runtime.Runtime``), decoded to this project's outputs."""

    backend = "simulator"

    def __init__(self, build: PlainBuild, peer: Peer) -> None:
        self.build, self.peer = build, peer

    def infer(self, rgb: Pixels) -> list[Floats]:
        return self.peer.decode(self.build.infer(rgb))

    def close(self) -> None:
        self.build.close()


@dataclass(frozen=True)
class Bench:
    """What all rows of a run share.

    Attributes:
        data: folder of :data:`DATA`.
        calib_images: to calibrate with, at most.
        images: to evaluate on, None for all.
        layout: of ours.
        imgsz: input (height, width) in px, None for the size each was trained at.
    """

    data: Path
    calib_images: int
    images: int | None
    layout: str
    imgsz: tuple[int, int] | None
    progress: StageProgress
    output: Output

    def rows(self, source: Source, socs: list[Soc], graphs: list[str]) -> Iterator[Row]:
        """fp32 first, then every graph for every SoC; what fails ends its own row only."""
        _, spec = load_source(source, self.imgsz)
        metric = TASKS[spec.task].metric
        row = Row(source.name, "", "fp32", metric)
        with failing_into(row, self.output), load(source.path, "torch", imgsz=self.imgsz) as predictor:
            self.score(row, predictor)
        yield row
        for soc in socs:
            for graph in graphs:
                row = Row(source.name, soc.name, graph, metric)
                with failing_into(row, self.output), tempfile.TemporaryDirectory(prefix="e2erknn-") as folder:
                    if graph not in ("stock", "zoo"):
                        self.measure_ours(row, source, spec, soc, Path(folder))
                    else:
                        kind = Stock if graph == "stock" else ZOO[spec.task]
                        self.measure_peer(row, kind(source, spec), Path(folder))
                yield row

    def measure_ours(self, row: Row, source: Source, spec: ModelSpec, soc: Soc, folder: Path) -> None:
        """Through this project's own conversion; the simulator is rebuilt from the bundle."""
        reader: dict[str, Any] = {"layout": self.layout} if row.graph == "ours" else {"contract": row.graph}
        options = Options((soc,), imgsz=self.imgsz, out=folder, verify=False, **reader, **self.calibration(spec))
        made = convert(source, options, self.progress)
        (artifact,) = made.wanted
        assert made.bundle is not None
        row.seconds = {"calibrate": made.seconds["calibrate"]}
        row.seconds |= {stage: artifact.seconds[stage] for stage in ("load", "prepare", "build")}
        row.placement, row.hybrid = artifact.placement, artifact.hybrid
        row.outputs = output_count(made.bundle.onnx)
        with load(made.bundle.path, "simulator") as predictor:
            self.score(row, predictor)

    def measure_peer(self, row: Row, peer: Peer, folder: Path) -> None:
        """Through the vendor's own build."""
        self.progress.stage(row.name, "export")
        path = folder / "model.onnx"
        peer.export(path)
        chosen = self.calibration(peer.spec)
        pictures = from_pictures(chosen["calib"], chosen["calib_images"]).write(folder / "calibration", peer.spec.imgsz)
        self.progress.stage(row.name, "build")
        hybrid = () if find_soc(row.soc).tail == "int8" else peer.hybrid(path)  # some NPUs have nothing but INT8
        job = BuildJob(path, row.soc, "int8", hybrid, pictures)
        row.outputs, row.after, row.hybrid = output_count(path), peer.after, [list(pair) for pair in job.hybrid]
        with PlainBuild(job) as build:
            row.placement, row.seconds = placement(build.log), build.seconds
            self.score(row, Predictor(peer.spec, Pool([lambda: PeerRuntime(build, peer)]), Thresholds()))

    def calibration(self, spec: ModelSpec) -> dict[str, Any]:
        """The same pictures for everybody."""
        return {"calib": self.data / DATA[spec.task][1], "calib_images": self.calib_images}

    def score(self, row: Row, predictor: Predictor) -> None:
        """mAP by Ultralytics' validator."""
        data = self.data / DATA[predictor.spec.task][0]
        found = evaluate(predictor, data, "val", self.images, self.progress.of(row.name))
        row.images, row.metrics = found["images"], found["metrics"]


@contextmanager
def failing_into(row: Row, output: Output) -> Iterator[None]:
    """A failure becomes the row's."""
    try:
        yield
    except UserError as error:
        row.error = error.what
        if output.debug:
            output.note(error.detail)
    except Exception as error:  # of torch, onnx or numpy, for a model nobody tried
        row.error = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


def output_count(path: Path) -> int:
    return len(onnx.load(str(path), load_external_data=False).graph.output)


HEADINGS = [
    *("model", "SoC", "graph", "metric", "pictures", "mAP50-95", "mAP50", "against fp32", "outputs", "ops on the CPU"),
    *("decode left to the CPU", "traffic KB", "Mcycles", "build s"),
]


def cells(row: Row, fp32: Row | None) -> list[str]:
    """A row of the table; points are mAP x 100."""
    out = [row.model, row.soc, row.graph, row.metric, str(row.images or "")]
    if row.error:
        return [*out, f"failed: {row.error}"] + [""] * (len(HEADINGS) - len(out) - 1)
    found, where = row.metrics[row.metric], row.placement
    out += [f"{100 * found['map']:.1f}", f"{100 * found['map50']:.1f}"]
    known = fp32 is not None and fp32 is not row and not fp32.error
    out.append(f"{100 * (found['map'] - fp32.metrics[row.metric]['map']):+.1f}" if known and fp32 else "")
    if not where:
        return out + [""] * (len(HEADINGS) - len(out))
    kinds = Counter(op["op"] for op in where["cpu"])
    listed = ", ".join(f"{n} {op}" if n > 1 else op for op, n in sorted(kinds.items()))
    out += [str(row.outputs), f"{len(where['cpu'])} ({listed})" if listed else "0", row.after]
    return [*out, f"{where['traffic_kb']:,}", f"{where['cycles'] / 1e6:.2f}", f"{sum(row.seconds.values()):.0f}"]


def markdown(rows: list[Row]) -> str:
    """All rows as a Markdown table."""
    fp32 = {row.model: row for row in rows if row.graph == "fp32"}
    table = [HEADINGS, ["---"] * 4 + ["---:"] * 5 + ["---"] * 2 + ["---:"] * 3]
    table += [cells(row, fp32.get(row.model)) for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in table)


def main(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Zoo names or .pt files.")],
    soc: Annotated[list[str], typer.Option("--soc", help="Rockchip SoC; repeat for several.")],
    data: DataFolder,
    graph: Annotated[
        list[str] | None,
        typer.Option("--graph", help="Of those above; repeat it. Default: the first three."),
    ] = None,
    calib_images: CalibImages = DEFAULT_PICTURES,
    images: Annotated[int | None, typer.Option(min=1, help="Only the first so many pictures. Default: all.")] = None,
    layout: Annotated[str, typer.Option(help="flat or grid, of ours.")] = "grid",
    imgsz: Annotated[str | None, typer.Option(help="Input side, or height,width, in px. Default: as trained.")] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Compare INT8 graphs of the same checkpoints."""
    with reporting_errors(Output(json, quiet, debug)) as output:
        graphs = graph or list(GRAPHS)
        if unknown := set(graphs) - {*GRAPHS, *OTHER_READERS}:
            raise UsageError(
                f"{unknown.pop()!r} is not a graph.", f"Choose from: {', '.join((*GRAPHS, *OTHER_READERS))}."
            )
        sources, socs = [resolve(model) for model in models], [find_soc(name) for name in soc]
        rows: list[Row] = []
        with StageProgress(output) as progress:
            bench = Bench(data.resolve(), calib_images, images, layout, read_imgsz(imgsz), progress, output)
            for source in sources:
                for row in bench.rows(source, socs, graphs):
                    rows.append(row)
                    output.note(f"{row.name}: " + (row.error or f"mAP50-95 {row.metrics[row.metric]['map']:.4f}"))
        how = {"calib_images": calib_images, "layout": layout, "imgsz": imgsz, "versions": package_versions()}
        output.emit({**how, "rows": [asdict(row) for row in rows]}, markdown(rows))
        if any(row.error for row in rows):
            raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
