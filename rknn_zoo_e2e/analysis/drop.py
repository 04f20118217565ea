"""A bound on the loss of mAP: parts of a build leave INT8 until it loses no more than it may.

Both are measured on the user's labelled pictures, fp32 by ONNX Runtime, builds in the vendor's simulator. Regions are
chosen by one half of the pictures; a build counts as good enough once the other half says so, too. What was tried is
kept in the bundle after every build, so that an interrupted search goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from rknn_zoo_e2e.analysis.analyze import analyze
from rknn_zoo_e2e.analysis.candidates import MOST_BUILDS, candidates
from rknn_zoo_e2e.analysis.rebuild import rebuilt
from rknn_zoo_e2e.analysis.run import DEFAULT_PICTURES
from rknn_zoo_e2e.boards.soc import SOCS
from rknn_zoo_e2e.bundle.analysis import KIND as ANALYSIS
from rknn_zoo_e2e.bundle.analysis import read_analysis
from rknn_zoo_e2e.bundle.drop import KIND, read_drop
from rknn_zoo_e2e.bundle.model import Artifact
from rknn_zoo_e2e.bundle.numbers import change_artifact, with_numbers
from rknn_zoo_e2e.bundle.reader import graph_of, read_bundle
from rknn_zoo_e2e.conversion.bound import SPLIT, Bound
from rknn_zoo_e2e.conversion.model_run import Conversion
from rknn_zoo_e2e.conversion.options import Options
from rknn_zoo_e2e.measure.halves import Halves, halves_of
from rknn_zoo_e2e.measure.interval import Statistics, compared, statistics, whole
from rknn_zoo_e2e.media.dataset import recorded_name
from rknn_zoo_e2e.progress import Progress, Tracker
from rknn_zoo_e2e.quantization.calibration import Calibration
from rknn_zoo_e2e.runtime.base import Runtime
from rknn_zoo_e2e.runtime.onnx import OnnxRuntime
from rknn_zoo_e2e.runtime.pool import Pool
from rknn_zoo_e2e.runtime.predictor import Predictor
from rknn_zoo_e2e.runtime.simulator import SimulatorRuntime
from rknn_zoo_e2e.tasks.base import Thresholds
from rknn_zoo_e2e.tasks.registry import TASKS
from rknn_zoo_e2e.toolkit.buildlog import placement

EVERYTHING = "everything"


@dataclass(frozen=True)
class Held:
    """What the bound led to for one artifact.

    Attributes:
        report: as the bundle keeps it (:mod:`rknn_zoo_e2e.bundle.drop`).
    """

    model: str
    soc: str
    report: dict[str, Any]

    @property
    def met(self) -> bool:
        """Whether the artifact loses no more than it may, on both halves."""
        return bool(self.report["met"])

    @property
    def chosen(self) -> dict[str, Any]:
        """The build that the artifact is."""
        chosen: dict[str, Any] = self.report["tried"][self.report["chosen"]]
        return chosen

    @property
    def steps(self) -> list[tuple[list[str], str]]:
        """Of each build that was tried what leaves INT8 more than in the one before, and how many blocks have in all.

        These are besides the plan's.
        """
        blocks = [one["blocks"] for one in self.report["tried"]]
        return [(step(before, now), how_many(now)) for before, now in pairwise([[], *blocks])]

    @property
    def why(self) -> str:
        """Why it is not met, a sentence."""
        what = f"{self.model} for {self.soc} loses more than {self.report['limit']:g} points of mAP50-95 x 100"
        least = f"{self.chosen['choosing']:.2f} on the half to choose by"
        if confirming := self.chosen["confirming"]:
            least += f", {confirming['loss']:.2f} on the other"
        tail = SOCS[self.soc].tail
        if tail == "int8":
            return f"{what} ({least}), and its NPU computes convolutions in INT8 alone: nothing can leave it."
        tried = len(self.report["tried"])
        return f"{what} in any of {tried} builds, everything in {tail} among them; the best, which is kept: {least}."

    @property
    def advice(self) -> str:
        """What to do then."""
        return "Allow more with --max-drop, or give more or other --calib pictures."


def step(before: list[str], blocks: list[str]) -> list[str]:
    """What leaves INT8 in a build more than in the one before, "+" before each; all of it where the other had more."""
    if blocks[: len(before)] != before:
        return blocks
    return [f"+ {name}" for name in blocks[len(before) :]] or ["nothing"]


def how_many(blocks: list[str]) -> str:
    """How many blocks that are, to print."""
    return "all" if blocks == [EVERYTHING] else str(len(blocks))


def hold(conversion: Conversion, options: Options, tracker: Tracker) -> Iterator[Held]:
    """Has every artifact of a conversion keep to the bound; it then has the new bundle and artifacts.

    Raises:
        UserError: the data set cannot be used, or the toolkit failed.
    """
    if options.bound is None or conversion.bundle is None:
        return
    for artifact in conversion.wanted:
        assert conversion.calibration is not None  # INT8 has one
        search = Search(conversion.bundle.path, artifact, options.bound, conversion.calibration, tracker)
        yield Held(conversion.model, artifact.soc, search.run())
    conversion.bundle = read_bundle(conversion.bundle.path)
    asked = {(artifact.soc, artifact.precision) for artifact in conversion.wanted}
    conversion.wanted = [a for a in conversion.bundle.artifacts if (a.soc, a.precision) in asked]
    conversion.reused = [a for a in conversion.wanted if a.file in {one.file for one in conversion.reused}]


class Search:
    """The search for one artifact.

    Args:
        folder: of its bundle.
        artifact: as the plan gives it, or as an earlier search left it.
        calibration: what it was calibrated with.
    """

    def __init__(
        self, folder: Path, artifact: Artifact, bound: Bound, calibration: Calibration, tracker: Tracker
    ) -> None:
        self.folder, self.bound, self.calibration, self.tracker = folder, bound, calibration, tracker
        self.bundle = read_bundle(folder)
        self.artifact = self.bundle.artifact(artifact.soc, artifact.precision)
        self.metric = TASKS[self.bundle.spec.task].metric
        self.progress: Progress = tracker.of(Path(artifact.file).stem)

    def run(self) -> dict[str, Any]:
        """The report; the bundle holds it and the build it chose."""
        found = read_drop(self.bundle, self.artifact)
        if found is not None and found["met"] is not None:
            return found
        halves = halves_of(self.bound.data, SPLIT, self.calibration.digests)
        if both := halves.left_out:
            self.tracker.note(f"{both} pictures of {self.bound.data} are calibration pictures, too: left out.")
        fp32 = self._fp32(halves)
        found = found or {
            "limit": self.bound.limit,
            "data": recorded_name(self.bound.data),
            "metric": self.metric,
            "pictures": halves.counts,
            "fp32": {name: round(whole(one, self.metric), 3) for name, one in fp32.items()},
            "tried": [],
            "met": None,
            "chosen": 0,
        }
        self._search(found, halves, fp32)
        tried = found["tried"]
        good = [index for index, one in enumerate(tried) if self._holds(one)]
        found["met"] = bool(good)
        found["chosen"] = good[0] if good else min(range(len(tried)), key=lambda index: tried[index]["choosing"])
        if found["chosen"]:
            regions = [(first, last) for first, last in tried[found["chosen"]]["regions"]]
            rebuilt(self.bundle, self.artifact, regions, self.calibration, found, self.progress, self.tracker.note)
        else:
            self._keep(found)
        return found

    def _search(self, found: dict[str, Any], halves: Halves, fp32: dict[str, Statistics]) -> None:
        """Builds until one holds, or there is nothing left to try."""
        plan = [list(pair) for pair in self.artifact.hybrid]
        tried = found["tried"]
        if not tried:
            self._try(found, [], plan, halves, fp32)
        if self._holds(tried[-1]) or SOCS[self.artifact.soc].tail == "int8":
            return
        sets = candidates(self._analysis(), tried[0]["cycles"], tried[0]["traffic_kb"])
        for blocks in sets[len(tried) - 1 : MOST_BUILDS - 2]:
            regions = plan + [pair for row in blocks for pair in row["regions"]]
            self._try(found, [row["name"] for row in blocks], regions, halves, fp32)
            if self._holds(tried[-1]):
                return
        if tried[-1]["blocks"] != [EVERYTHING]:
            first, outputs = self._ends()
            self._try(found, [EVERYTHING], plan + [[first, output] for output in outputs], halves, fp32)

    def _try(
        self,
        found: dict[str, Any],
        blocks: list[str],
        regions: list[list[str]],
        halves: Halves,
        fp32: dict[str, Statistics],
    ) -> None:
        """One build, measured, and noted in the bundle."""
        candidate = replace(self.artifact, hybrid=regions)
        with closing(SimulatorRuntime(self.bundle, candidate, self.progress)) as runtime:
            cost = placement(runtime.toolkit.log)
            choosing = compared(fp32["choosing"], self._statistics(runtime, halves.choosing), self.metric, 1)
            entry: dict[str, Any] = {
                "blocks": blocks,
                "regions": regions,
                "cycles": cost["cycles"],
                "traffic_kb": cost["traffic_kb"],
                "choosing": round(choosing.loss, 3),
                "confirming": None,
            }
            if entry["choosing"] <= self.bound.limit:
                loss = compared(fp32["confirming"], self._statistics(runtime, halves.confirming), self.metric)
                figures = {"loss": loss.loss, "low": loss.low, "high": loss.high}
                entry["confirming"] = {key: round(value, 3) for key, value in figures.items()}
        found["tried"].append(entry)
        self._keep(found)
        before = found["tried"][-2]["blocks"] if len(found["tried"]) > 1 else []
        more = " ".join(step(before, blocks)) + (f" ({len(blocks)} in all)" if len(blocks) > 1 else "")
        sure = f", {entry['confirming']['loss']:.2f} on the other half" if entry["confirming"] else ""
        self.tracker.note(
            f"Build {len(found['tried'])} of at most {MOST_BUILDS}, out of INT8 besides the plan's: {more}. Loss "
            f"{entry['choosing']:.2f} of at most {self.bound.limit:g}{sure}."
        )

    def _holds(self, tried: dict[str, Any]) -> bool:
        """Whether a build loses no more than it may, on both halves."""
        confirming = tried["confirming"]
        return confirming is not None and max(tried["choosing"], confirming["loss"]) <= self.bound.limit

    def _fp32(self, halves: Halves) -> dict[str, Statistics]:
        with closing(OnnxRuntime(graph_of(self.bundle, self.artifact))) as runtime:
            return {
                "choosing": self._statistics(runtime, halves.choosing, self.tracker.note),
                "confirming": self._statistics(runtime, halves.confirming, self.tracker.note),
            }

    def _statistics(
        self, runtime: Runtime, half: Sequence[Path], say: Callable[[str], None] = lambda text: None
    ) -> Statistics:
        predictor = Predictor(self.bundle.spec, Pool([lambda: runtime]), Thresholds())
        return statistics(predictor, self.bound.data, half, self.progress, say)

    def _analysis(self) -> dict[str, Any]:
        """What INT8 costs in the build as the plan gives it."""
        held = read_bundle(self.folder)
        artifact = held.artifact(self.artifact.soc, self.artifact.precision)
        known = read_analysis(held, artifact)
        if known is not None and known["state"] == "build":
            return known
        pictures = self.calibration.some(DEFAULT_PICTURES)
        found = analyze(self.bundle, self.artifact, pictures, progress=self.progress).report()
        self._keep(found, ANALYSIS)
        return found

    def _ends(self) -> tuple[str, list[str]]:
        """Names of the graph's input and outputs."""
        import onnx

        graph = onnx.load(str(graph_of(self.bundle, self.artifact)), load_external_data=False).graph
        return graph.input[0].name, [output.name for output in graph.output]

    def _keep(self, found: dict[str, Any], kind: str = KIND) -> None:
        change_artifact(self.folder, self.artifact.sha256, "convert", self.tracker.note, with_numbers(kind, found))
