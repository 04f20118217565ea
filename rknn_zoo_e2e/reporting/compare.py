"""A bundle's builds beside fp32 on pictures: how they agree, and what each finds where they differ most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from rknn_zoo_e2e.boards.install import remedy
from rknn_zoo_e2e.boards.probe import board_soc, runs_on
from rknn_zoo_e2e.bundle.agreement import MOST_PAIRS
from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.conversion.verify import FOUND_THRESHOLDS, Parity
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.isolation.workfolder import work_folder
from rknn_zoo_e2e.progress import Progress
from rknn_zoo_e2e.quantization.calibration import Calibration
from rknn_zoo_e2e.reporting.pictures import MOST_PICTURES, Answer, Detection, Picture, resized, size_of
from rknn_zoo_e2e.reporting.scratch import Scratch
from rknn_zoo_e2e.runtime.loading import load
from rknn_zoo_e2e.runtime.predictor import Predictor
from rknn_zoo_e2e.runtime.registry import Backend, chosen
from rknn_zoo_e2e.tasks.result import Result
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.vision.arrays import Floats, Pixels
from rknn_zoo_e2e.vision.letterbox import Letterbox

FP32 = "fp32"


@dataclass(frozen=True)
class Comparison:
    """The pictures on which a build is furthest from fp32, the worst first, and how each build agrees with it.

    Agreements are by the SHA-256 of a build's file (:mod:`rknn_zoo_e2e.bundle.agreement`).
    """

    pictures: list[Picture]
    agreements: dict[str, dict[str, Any]]


def compare(bundle: Bundle, pictures: Calibration, data: str, progress: Progress) -> Comparison:
    """Runs fp32 once and every build that can run here on the same pictures; those that differ most are drawn.

    What must wait for the next build, or until it is known which pictures are drawn, waits on disk.

    Args:
        data: what the pictures are called where the figures are kept.
        progress: told of each build's share that is done.

    Raises:
        UserError: no build runs here, a picture cannot be read, or there is no room for work files.
    """
    backend = builds_run_by()
    builds = runnable(bundle, backend)
    agreements = {}
    tallies = [Tally() for _ in pictures.pictures]
    with work_folder() as folder:
        with load(bundle.path, "onnx", on_stage=progress) as fp32:
            reference = Reference(fp32, pictures, Scratch(folder), again=len(builds) > 1)
            for artifact in builds:
                with load(bundle.path, backend.name, artifact.soc, artifact.precision, on_stage=progress) as build:
                    told = partial(progress, f"{artifact.soc} {artifact.precision}")
                    agreement = Agreement(bundle.spec)
                    for index, tally in enumerate(tallies):
                        told(index / len(pictures))
                        pair = Pair.of(reference.asked(index), build)
                        agreement.add(pair)
                        tally.add(artifact.sha256, pair)
                        reference.scratch.put(f"{artifact.sha256}-{index}", pair.found())
                    agreements[artifact.sha256] = agreement.report() | {"backend": build.backend, "data": data}
        progress("draw", 0.0)
        furthest = sorted(range(len(tallies)), key=lambda index: tallies[index].disagreement, reverse=True)
        drawn = [draw(index, tallies[index], pictures, reference.scratch) for index in furthest[:MOST_PICTURES]]
    return Comparison(drawn, agreements)


def builds_run_by() -> Backend:
    """The backend that answers as builds do. Raises :class:`UserError` where there is none here."""
    backend = chosen("auto", "bundles")
    if not backend.runs_artifact:
        what = "Nothing here runs the builds, to compare them with fp32: rknn-toolkit2 is not installed."
        raise UserError(what, f"Leave the pictures away. Or: {remedy('convert')}")
    return backend


def runnable(bundle: Bundle, backend: Backend) -> list[Artifact]:
    """The builds that run here: in the simulator all, on a board those for it. Raises :class:`UserError` for none."""
    board = (backend.has_npu and board_soc()) or None
    builds = [artifact for artifact in bundle.artifacts if board is None or runs_on(artifact.soc, board)]
    if not builds:
        bundle.artifact(board)  # raises: there is none
    return builds


@dataclass(frozen=True)
class Asked:
    """A picture as models see it, (H, W, 3) uint8 RGB, how it lies in their input, and what fp32 answers."""

    fitted: Pixels
    letterbox: Letterbox
    outputs: list[Floats]


@dataclass(frozen=True)
class Reference:
    """fp32 on pictures.

    Attributes:
        scratch: where what is found in each lies, by the model and the picture's index.
        again: whether a picture is asked for more than once, for several builds; it is read and run once.
    """

    predictor: Predictor
    pictures: Calibration
    scratch: Scratch
    again: bool

    def asked(self, index: int) -> Asked:
        """The i-th picture. Raises :class:`UserError` where it cannot be read."""
        name = f"asked-{index}"
        if self.scratch.has(name):
            asked: Asked = self.scratch.get(name)
            return asked
        rgb = self.pictures.read(index)
        letterbox = Letterbox.of(rgb, self.predictor.spec.imgsz)
        fitted = letterbox.apply(rgb)
        asked = Asked(fitted, letterbox, self.predictor.infer(fitted))
        self.scratch.put(f"{FP32}-{index}", to_draw(self.predictor, asked.outputs, letterbox))
        if self.again:
            self.scratch.put(name, asked)
        return asked


@dataclass(frozen=True)
class Pair:
    """One picture through fp32 and through a build.

    Attributes:
        predictor: of the build.
        outputs: of the build.
        there, back: what of fp32's detections the build has, and what of the build's fp32 has.
    """

    predictor: Predictor
    letterbox: Letterbox
    outputs: list[Floats]
    there: Parity
    back: Parity

    @classmethod
    def of(cls, asked: Asked, build: Predictor) -> Pair:
        """For a picture that fp32 has answered."""
        outputs = build.infer(asked.fitted)
        there, back = Parity(build.spec), Parity(build.spec)
        there.add(asked.outputs, outputs, asked.letterbox)
        back.add(outputs, asked.outputs, asked.letterbox)
        return cls(build, asked.letterbox, outputs, there, back)

    def found(self) -> Result:
        """What the build finds, to be drawn."""
        return to_draw(self.predictor, self.outputs, self.letterbox)


def to_draw(predictor: Predictor, outputs: Sequence[Floats], letterbox: Letterbox) -> Result:
    """Detections in px of the small picture that is drawn on: it lies in the input as the large one does."""
    small = Letterbox.fit(size_of(letterbox.source), predictor.spec.imgsz)
    return predictor.task.decode(outputs, small, FOUND_THRESHOLDS)


@dataclass
class Tally:
    """How far builds are from fp32 on one picture.

    Attributes:
        missed: by the SHA-256 of a build's file, which of fp32's detections it has not, and which of its own fp32 has
            not: their places, best score first.
        disagreement: of the build that is furthest, the larger, the further: lost and new ones, and what the others
            differ by in score and overlap; where nothing is detected, what the scores' cosine lacks.
    """

    missed: dict[str, tuple[list[int], list[int]]] = field(default_factory=dict)
    disagreement: tuple[float, float] = (0.0, 0.0)

    def add(self, build: str, pair: Pair) -> None:
        """One build's."""
        self.missed[build] = lost, new = not_again(pair.there), not_again(pair.back)
        apart = sum(one["score_difference"] + 1 - one["mean_iou"] for one in pair.there.found)
        cosine = float(np.mean(pair.there.cosines["scores"]))
        self.disagreement = max(self.disagreement, (len(lost) + len(new) + apart, 1 - cosine))


def draw(index: int, tally: Tally, pictures: Calibration, scratch: Scratch) -> Picture:
    """The i-th picture with what fp32 and each build find in it."""
    rgb = pictures.read(index)
    small = resized(rgb, size_of(rgb.shape))

    fp32: Result = scratch.get(f"{FP32}-{index}")
    answers: list[Answer] = []
    for build, (lost, new) in tally.missed.items():
        result: Result = scratch.get(f"{build}-{index}")
        answer = Answer((build,), named(fp32, lost), named(result, new), result.draw(small))
        equal = next((at for at, one in enumerate(answers) if answer.looks_like(one)), None)
        if equal is None:
            answers.append(answer)
        else:
            answers[equal] = replace(answers[equal], builds=(*answers[equal].builds, build))
    answers.sort(key=lambda one: len(one.lost) + len(one.new), reverse=True)  # the furthest beside fp32
    return Picture(pictures.pictures[index], fp32.draw(small), tuple(answers))


def named(result: Result, places: Sequence[int]) -> tuple[Detection, ...]:
    """Some of its detections. Those that parity expects stand before all that score less, which are drawn too."""
    return tuple((result.label(place), round(float(result.scores[place]), 4)) for place in places)


class Agreement:
    """Collects the pairs of one build, then reports."""

    def __init__(self, spec: ModelSpec) -> None:
        self.there, self.back = Parity(spec), Parity(spec)

    def add(self, pair: Pair) -> None:
        """One picture."""
        self.there.join(pair.there)
        self.back.join(pair.back)

    def report(self) -> dict[str, Any]:
        """Without ``backend`` and ``data``, which others know."""
        new = [(None, score) for score, again in self.back.scores if again is None]
        return {
            "pictures": self.there.pictures,
            "lost": missed(self.there),
            "new": missed(self.back),
            "parity": self.there.report(),
            "scores": [[rounded(one), rounded(two)] for one, two in [*self.there.scores, *new][:MOST_PAIRS]],
        }


def missed(parity: Parity) -> int:
    """How many detections are not found again."""
    return parity.expected - len(parity.found)


def not_again(parity: Parity) -> list[int]:
    """Which they are."""
    return [place for place, (_, again) in enumerate(parity.scores) if again is None]


def rounded(score: float | None) -> float | None:
    """As it is kept."""
    return None if score is None else round(score, 4)
