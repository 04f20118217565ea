"""A bundle's builds beside fp32 on pictures: how they agree, and what each finds, drawn."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from rknn_zoo_e2e.boards.install import remedy
from rknn_zoo_e2e.boards.probe import board_soc, runs_on
from rknn_zoo_e2e.bundle.agreement import MOST_PAIRS
from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.conversion.verify import FOUND_THRESHOLDS, Parity
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.progress import Progress
from rknn_zoo_e2e.quantization.calibration import Calibration
from rknn_zoo_e2e.runtime.loading import load
from rknn_zoo_e2e.runtime.predictor import Predictor
from rknn_zoo_e2e.runtime.registry import Backend, chosen
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.vision.arrays import Floats, Pixels
from rknn_zoo_e2e.vision.letterbox import Letterbox

DRAWN_SIDE = 480  # px, the longest of a drawn picture


@dataclass(frozen=True)
class Seen:
    """What one build finds in one picture.

    Attributes:
        lost, new: detections of fp32 that it has not, and the other way round, as parity counts them.
        disagreement: the larger, the further from fp32: lost and new ones, and what the others differ by in score and
            overlap; where nothing is detected, what the scores' cosine lacks.
        drawn: JPEG.
    """

    lost: int
    new: int
    disagreement: tuple[float, float]
    drawn: bytes


@dataclass
class Picture:
    """One picture: its file's name, what fp32 finds (JPEG), and what builds find, by the SHA-256 of their files."""

    name: str
    drawn: bytes = b""
    seen: dict[str, Seen] = field(default_factory=dict)

    @property
    def disagreement(self) -> tuple[float, float]:
        """Of the build that is furthest from fp32."""
        return max(one.disagreement for one in self.seen.values())


@dataclass(frozen=True)
class Comparison:
    """Pictures, and by the SHA-256 of a build's file how it agrees with fp32 (:mod:`rknn_zoo_e2e.bundle.agreement`)."""

    pictures: list[Picture]
    agreements: dict[str, dict[str, Any]]

    def furthest(self, count: int) -> list[Picture]:
        """The pictures on which a build is furthest from fp32, the worst first."""
        seen = [picture for picture in self.pictures if picture.seen]
        return sorted(seen, key=lambda picture: picture.disagreement, reverse=True)[:count]


def compare(bundle: Bundle, pictures: Calibration, data: str, progress: Progress) -> Comparison:
    """Runs fp32 and every build that can run here on the same pictures.

    Args:
        data: what the pictures are called where the figures are kept.
        progress: told of each build's share that is done.

    Raises:
        UserError: no build runs here, or a picture cannot be read.
    """
    backend = builds_run_by()
    builds = runnable(bundle, backend)
    shown = [Picture(name) for name in pictures.pictures]
    agreements = {}
    with load(bundle.path, "onnx", on_stage=progress) as reference:
        for artifact in builds:
            with load(bundle.path, backend.name, artifact.soc, artifact.precision, on_stage=progress) as build:
                told = partial(progress, f"{artifact.soc} {artifact.precision}")
                agreement = Agreement(bundle.spec)
                for index, picture in enumerate(shown):
                    told(index / len(shown))
                    rgb = pictures.read(index)
                    pair = Pair.of(rgb, reference, build)
                    agreement.add(pair)
                    picture.drawn = picture.drawn or pair.drawn(rgb, pair.reference)
                    picture.seen[artifact.sha256] = pair.seen(rgb)
                agreements[artifact.sha256] = agreement.report() | {"backend": build.backend, "data": data}
    return Comparison(shown, agreements)


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
class Pair:
    """One picture through fp32 and through a build.

    Attributes:
        predictor: of the build.
        reference, actual: outputs of fp32 and of the build.
        there, back: what of fp32's detections the build has, and what of the build's fp32 has.
    """

    predictor: Predictor
    reference: list[Floats]
    actual: list[Floats]
    there: Parity
    back: Parity

    @classmethod
    def of(cls, rgb: Pixels, reference: Predictor, build: Predictor) -> Pair:
        """For a picture (h, w, 3) uint8 RGB."""
        letterbox = Letterbox.of(rgb, build.spec.imgsz)
        fitted = letterbox.apply(rgb)
        one, two = reference.infer(fitted), build.infer(fitted)
        there, back = Parity(build.spec), Parity(build.spec)
        there.add(one, two, letterbox)
        back.add(two, one, letterbox)
        return cls(build, one, two, there, back)

    def seen(self, rgb: Pixels) -> Seen:
        """The build's part of it."""
        lost, new = missed(self.there), missed(self.back)
        apart = sum(one["score_difference"] + 1 - one["mean_iou"] for one in self.there.found)
        cosine = float(np.mean(self.there.cosines["scores"]))
        return Seen(lost, new, (lost + new + apart, 1 - cosine), self.drawn(rgb, self.actual))

    def drawn(self, rgb: Pixels, outputs: list[Floats]) -> bytes:
        """The picture with what is found in it, JPEG without anything of its file, at most :data:`DRAWN_SIDE` px."""
        picture = Image.fromarray(rgb)
        picture.thumbnail((DRAWN_SIDE, DRAWN_SIDE))
        small = np.array(picture)
        # The same outputs, read as those of the small picture: it lies in the input as the large one does.
        result = self.predictor.task.decode(outputs, Letterbox.of(small, self.predictor.spec.imgsz), FOUND_THRESHOLDS)
        content = io.BytesIO()
        Image.fromarray(result.draw(small)).save(content, "JPEG", quality=75, optimize=True)
        return content.getvalue()


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
    """Detections that are not found again."""
    return parity.expected - len(parity.found)


def rounded(score: float | None) -> float | None:
    """As it is kept."""
    return None if score is None else round(score, 4)
