"""What a task adapter supplies, and the part of decoding all four share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from rknn_zoo_e2e.result import Result
from rknn_zoo_e2e.spec import ModelSpec
from rknn_zoo_e2e.vision.letterbox import Letterbox
from rknn_zoo_e2e.vision.nms import nms

if TYPE_CHECKING:
    from rknn_zoo_e2e.heads.detect import DetectTail

MAX_NMS = 30_000  # candidates before suppression, as Ultralytics


@dataclass(frozen=True)
class Channels:
    """A run of channels of one kind in an output.

    Attributes:
        kind: box, scores, keypoints, coefficients, angle or prototypes.
        count: how many channels.
        coordinates: what the numbers mean.
    """

    kind: str
    count: int
    coordinates: str


@dataclass(frozen=True)
class Output:
    """One named output of the model: its channels in order."""

    name: str
    channels: tuple[Channels, ...]

    @property
    def count(self) -> int:
        return sum(c.count for c in self.channels)


@dataclass(frozen=True)
class Thresholds:
    """Ultralytics' post-processing arguments: score above ``conf``, overlap up to ``iou``, at most ``max_det`` boxes,
    of ``classes`` only (all by default)."""

    conf: float = 0.25
    iou: float = 0.7
    max_det: int = 300
    classes: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Candidates:
    """Anchors above the score threshold: all channels (C, N), the best (or, one-to-one, each) score and its class."""

    channels: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray

    def take(self, index: np.ndarray) -> Candidates:
        return Candidates(self.channels[:, index], self.scores[index], self.class_ids[index])


class Task(ABC):
    """One task for one model."""

    name: ClassVar[str]
    metric: ClassVar[str]  # the key of its accuracy in eval and model cards

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec

    @property
    def extra(self) -> tuple[Channels, ...]:
        """Channels after box and scores."""
        return ()

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The model's outputs by name, with their channels in order."""
        box = Channels("box", 4, "cx, cy, w, h normalised to the input (0..1)")
        scores = Channels("scores", len(self.spec.names), "0..1")
        return (Output("output0", (box, scores, *self.extra)),)

    @classmethod
    @abstractmethod
    def tail(cls) -> type[DetectTail]:
        """The decode tail for this task's head (imports torch)."""

    def input_scale(self) -> np.ndarray:
        """(C, 1) float32 that turns output0's normalised channels into input px, 1 where a channel is none."""
        h, w = self.spec.imgsz
        scale = np.ones((self.outputs[0].count, 1), np.float32)
        scale[:4, 0] = w, h, w, h
        return scale

    def candidates(self, output: np.ndarray, thresholds: Thresholds) -> Candidates:
        """Anchors worth decoding, in input px, best first; nothing but the scores is read for the others.

        Args:
            output: output0, (1, C, A) or (1, C, H', W').
        """
        flat = output.reshape(self.outputs[0].count, -1)
        scores = flat[4 : 4 + len(self.spec.names)]
        if self.spec.nms_free:
            class_ids, anchors = np.nonzero(scores > thresholds.conf)
            best = scores[class_ids, anchors]
        else:
            anchors = np.flatnonzero(scores.max(0) > thresholds.conf)
            class_ids = scores[:, anchors].argmax(0)
            best = scores[class_ids, anchors]
        if thresholds.classes is not None:
            wanted = np.isin(class_ids, thresholds.classes)
            anchors, class_ids, best = anchors[wanted], class_ids[wanted], best[wanted]
        order = np.argsort(-best, kind="stable")[: thresholds.max_det if self.spec.nms_free else MAX_NMS]
        return Candidates(flat[:, anchors[order]] * self.input_scale(), best[order], class_ids[order])

    def suppress(self, found: Candidates, thresholds: Thresholds) -> np.ndarray:
        """Indices of the candidates that stay, best first."""
        return nms(xyxy(found.channels[:4].T), found.scores, found.class_ids, thresholds.iou)

    def decode(self, outputs: Sequence[np.ndarray], letterbox: Letterbox, thresholds: Thresholds) -> Result:
        """The model's raw outputs to detections in source px.

        Args:
            outputs: in the order of :attr:`outputs`, float32, layout flat or grid.
            letterbox: of the picture they were made from.
        """
        found = self.candidates(outputs[0], thresholds)
        if not self.spec.nms_free:
            found = found.take(self.suppress(found, thresholds)[: thresholds.max_det])
        result = Result(
            self.spec,
            letterbox.source,
            letterbox.boxes(xyxy(found.channels[:4].T)),
            found.scores.astype(np.float32),
            found.class_ids.astype(np.int64),
        )
        self.finish(result, found.channels[4 + len(self.spec.names) :], found, outputs, letterbox)
        return result

    def finish(  # noqa: B027 (a plain box needs nothing more)
        self,
        result: Result,
        extra: np.ndarray,
        found: Candidates,
        outputs: Sequence[np.ndarray],
        letterbox: Letterbox,
    ) -> None:
        """Adds the task's own part to ``result``; ``extra`` (C, N) are its channels of the survivors."""

    @abstractmethod
    def draw(self, image: np.ndarray, result: Result) -> np.ndarray:
        """The source picture (h, w, 3) uint8 RGB with the detections drawn on a copy."""


def xyxy(xywh: np.ndarray) -> np.ndarray:
    """(N, 4) cx, cy, w, h to x1, y1, x2, y2."""
    half = xywh[:, 2:4] / 2
    return np.concatenate([xywh[:, :2] - half, xywh[:, :2] + half], 1)
