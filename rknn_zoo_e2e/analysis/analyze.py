"""The analysis of one artifact: for each block of its graph what INT8 costs there, and what leaving it would."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx

from rknn_zoo_e2e.analysis.blocks import DECODE, Block, blocks_of
from rknn_zoo_e2e.analysis.costs import Compiler, Cost, Tables
from rknn_zoo_e2e.analysis.errors import Answers, Errors
from rknn_zoo_e2e.analysis.noise import ALONE, STATE, Energies, comparison
from rknn_zoo_e2e.boards.soc import SOCS, Soc
from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.bundle.reader import graph_of, read_ranges
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.isolation.workfolder import work_folder
from rknn_zoo_e2e.progress import Progress, silent
from rknn_zoo_e2e.quantization.calibration import Calibration, write_pictures
from rknn_zoo_e2e.quantization.emulation import Emulator, Precision
from rknn_zoo_e2e.quantization.precision import int8_tensors
from rknn_zoo_e2e.quantization.ranges import measure_ranges
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.toolkit.client import Toolkit
from rknn_zoo_e2e.toolkit.job import Ranges
from rknn_zoo_e2e.vision.arrays import Floats, Pixels

LEAST_PICTURES = 2  # with one the toolkit does not calibrate


@dataclass(frozen=True)
class Part:
    """One block in the analysis; see :mod:`rknn_zoo_e2e.bundle.analysis` for what the figures mean.

    Attributes:
        int8: whether the state has it in INT8.
        alone, in_state: its signal-to-noise ratio in dB, None without noise.
        own: the errors where it alone is INT8.
        share: of the state's errors that is its own, in the kind where it is most.
        gain: the errors of the state with it in INT8 less those with it in fp32.
        cost: out of INT8 more than in it, predicted; None where the SoC computes in INT8 alone.
        built: the same between two builds; None where there were none.
    """

    block: Block
    int8: bool
    alone: float | None
    in_state: float | None
    own: Errors
    share: float
    gain: Errors
    cost: Cost | None = None
    built: Cost | None = None

    def report(self) -> dict[str, Any]:
        """Its row, as a bundle keeps it."""
        return {
            "name": self.block.name,
            "stride": self.block.stride,
            "int8": self.int8,
            "regions": [list(pair) for pair in self.block.regions],
            "snr_db": _rounded(self.alone),
            "snr_state_db": _rounded(self.in_state),
            "own": self.own.report(),
            "gain": {**self.gain.report(), "share": round(self.share, 5)},
            "cost": self.cost and self.cost.report(),
            "built": self.built and self.built.report(),
        }


def _rounded(decibels: float | None) -> float | None:
    return None if decibels is None else round(decibels, 2)


@dataclass(frozen=True)
class Analysis:
    """All blocks: those in INT8, the one with the largest share first, then those that are out of it, alike.

    Attributes:
        state: "build" or "all-int8".
        wide: what a block is computed in that is not INT8, None where the SoC cannot.
        errors: of the state against fp32.
    """

    state: str
    wide: str | None
    pictures: Calibration
    errors: Errors
    parts: list[Part]

    def report(self) -> dict[str, Any]:
        """As a bundle keeps it (:mod:`rknn_zoo_e2e.bundle.analysis`)."""
        return {
            "state": self.state,
            "wide": self.wide,
            "pictures": {"name": self.pictures.name, "count": len(self.pictures), "digest": self.pictures.digest},
            "errors": {"anchors": self.errors.anchors, **self.errors.report()},
            "blocks": [part.report() for part in self.parts],
        }


def analyze(
    bundle: Bundle,
    artifact: Artifact,
    pictures: Calibration,
    all_int8: bool = False,
    check: int = 0,
    progress: Progress = silent,
) -> Analysis:
    """Analyses one INT8 artifact, every block of its graph.

    Args:
        pictures: two or more, with something on them.
        all_int8: as if the whole network were INT8, instead of as it was built. What decodes boxes stays out of it
            where the SoC can: it is in no build, and its noise would drown all other.
        check: how many blocks, the first of those in INT8, to build out of it for what that costs in fact.
        progress: told of the stages.

    Raises:
        UserError: the bundle is damaged, its graph or calibration is of an earlier version, fp32 finds nothing on the
            pictures, or the toolkit failed.
    """
    progress("load")
    case = Case.of(bundle, artifact, pictures, all_int8, progress)
    answers, found, energies = compare(case, progress)
    errors = answers.errors(found)
    parts = []
    for index, block in enumerate(case.blocks):
        progress("emulate", index / len(case.blocks))
        int8 = not block.tensors <= case.state.wide
        own = case.errors(answers, case.state.emulated_alone(block.tensors, case.ranges))
        others = case.errors(answers, case.toggled(block).emulated(case.ranges))
        gain = errors - others if int8 else others - errors
        alone, in_state = energies.decibels(index, ALONE), energies.decibels(index, STATE)
        parts.append(Part(block, int8, alone, in_state, own, own.share_of(errors), gain))
    parts.sort(key=lambda part: (not part.int8, -part.share))
    wide = None if case.soc.tail == "int8" else case.soc.tail
    if wide is not None:
        parts = with_costs(case, parts, check, progress)
    return Analysis("all-int8" if all_int8 else "build", wide, pictures, errors, parts)


@dataclass(frozen=True)
class Case:
    """What is analysed.

    Attributes:
        graph: its file.
        state: what of it is in INT8.
        images: the pictures, letterboxed.
        ranges: of all its tensors.
    """

    spec: ModelSpec
    soc: Soc
    graph: Path
    blocks: list[Block]
    state: Precision
    images: list[Pixels]
    ranges: Ranges

    @classmethod
    def of(cls, bundle: Bundle, artifact: Artifact, pictures: Calibration, all_int8: bool, progress: Progress) -> Case:
        """An artifact of a bundle."""
        graph = graph_of(bundle, artifact).absolute()  # not resolve(): the toolkit wants .onnx at its end
        model = onnx.load(str(graph))
        soc, blocks = SOCS[artifact.soc], blocks_of(model)
        state = Precision.of(model, () if all_int8 else [(first, last) for first, last in artifact.hybrid])
        if all_int8 and soc.tail != "int8":
            state = state.with_wide({name for block in blocks if block.name == DECODE for name in block.tensors})
        images = [pictures.letterboxed(index, bundle.spec.imgsz) for index in range(len(pictures))]
        ranges: Ranges = read_ranges(bundle, artifact)["ranges"]
        if not state.quantised <= ranges.keys():  # of what is never INT8 on the SoC nothing was measured
            progress("calibrate")
            ranges = measure_ranges(graph, images, int8_tensors(graph)) | ranges
        return cls(bundle.spec, soc, graph, blocks, state, images, ranges)

    def toggled(self, block: Block) -> Precision:
        """The state with one block the other way."""
        wide = self.state.wide
        return self.state.with_wide(wide - block.tensors if block.tensors <= wide else wide | block.tensors)

    def errors(self, answers: Answers, emulated: onnx.ModelProto) -> Errors:
        """Of an emulated graph's answers to the pictures."""
        emulator = Emulator(emulated)
        return answers.errors([emulator.infer(rgb) for rgb in self.images])

    def regions(self, precision: Precision) -> list[tuple[str, str]]:
        """What of it is out of INT8, block by block."""
        return [pair for block in self.blocks if block.tensors <= precision.wide for pair in block.regions]


def compare(case: Case, progress: Progress) -> tuple[Answers, list[list[Floats]], Energies]:
    """What fp32 answers, what the state does, and the noise in all blocks."""
    emulator = Emulator(comparison(case.blocks, case.state, case.ranges))
    answers, energies = Answers(case.spec), Energies(len(case.blocks))
    count = len(case.state.model.graph.output)
    found = []
    for index, rgb in enumerate(case.images):
        progress("compare", index / len(case.images))
        outputs = emulator.infer(rgb)
        answers.expect(outputs[:count])
        found.append(outputs[count : 2 * count])
        energies.add(outputs[2 * count :])
    if not answers.anchors:
        raise UserError(
            f"The model finds nothing on any of {len(case.images)} pictures, so that there is nothing to compare.",
            "Give pictures that show what it is to find, with --calib.",
        )
    return answers, found, energies


def with_costs(case: Case, parts: list[Part], check: int, progress: Progress) -> list[Part]:
    """The parts, which are ranked, with what they cost; the first ``check`` in INT8 with what two builds say."""
    with Toolkit(progress) as toolkit, work_folder() as folder:
        files = write_pictures(folder, case.images[:LEAST_PICTURES])
        compiler = Compiler(toolkit, case.graph, case.soc, files, case.ranges)
        tables = Tables(case.state.model, case.blocks, compiler)
        found = []
        for part in parts:
            one, two = case.state, case.toggled(part.block)
            found.append(replace(part, cost=tables.cost(part.block, *((one, two) if part.int8 else (two, one)))))
        if checked := [part for part in found if part.int8][:check]:
            base = compiler.whole(case.regions(case.state))
            for part in checked:
                built = compiler.whole(case.regions(case.toggled(part.block))) - base
                found[found.index(part)] = replace(part, built=built)
    return found
