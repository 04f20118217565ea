"""What a task adapter supplies, and the part of decoding all four share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from rknn_zoo_e2e.errors import UsageError
from rknn_zoo_e2e.raw import Raw, below, ceiling, finite, part
from rknn_zoo_e2e.result import Result
from rknn_zoo_e2e.spec import ModelSpec
from rknn_zoo_e2e.tasks.outputs import Channels, Output, check_fit
from rknn_zoo_e2e.vision.letterbox import Letterbox
from rknn_zoo_e2e.vision.nms import best_first, nms

if TYPE_CHECKING:
    from rknn_zoo_e2e.heads.detect import DetectTail

MAX_NMS = 30_000  # candidates before suppression, as Ultralytics
TOP = 1.01  # a score may be rounded up to just above 1; what is higher is none
# px; beyond it float32 has no room for what keeps classes apart (rknn_zoo_e2e.vision.nms), and no model means it
FAR = 1e6
NO_EXTRA = np.empty((0, 0), np.float32)  # of a task that has no channels of its own


@dataclass(frozen=True)
class Thresholds:
    """Ultralytics' post-processing arguments: score above ``conf``, overlap up to ``iou``, at most ``max_det`` boxes,
    of ``classes`` only (all by default). Raises :class:`UsageError` for values that mean nothing."""

    conf: float = 0.25
    iou: float = 0.7
    max_det: int = 300
    classes: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("conf", "iou"):
            if not 0 <= (value := getattr(self, name)) <= 1:  # also NaN
                raise UsageError(f"{name} {value} is not from 0 to 1.", f"Give one that is, such as {name} 0.5.")
        if self.max_det < 1:
            raise UsageError(f"max_det {self.max_det} leaves no detection.", "Give 1 or more.")


@dataclass(frozen=True)
class Candidates:
    """Anchors above the score threshold.

    Attributes:
        anchors: (N,) their places in the output.
        geometry: (4, N) x1, y1, x2, y2 in input px; of rotated boxes (5, N) cx, cy, w, h, radians.
        scores: (N,) float32, the best (one-to-one: each) score above the threshold, 0..1.
        class_ids: (N,) int64, its class.
    """

    anchors: np.ndarray
    geometry: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray

    def take(self, index: np.ndarray) -> Candidates:
        return Candidates(self.anchors[index], self.geometry[:, index], self.scores[index], self.class_ids[index])


class Task(ABC):
    """One task for one model."""

    name: ClassVar[str]
    metric: ClassVar[str]  # the key of its accuracy in eval and model cards

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.scale = self.input_scale()
        self.extra_from = 4 + len(spec.names)  # the first channel after box and scores

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

    def candidates(self, output: Raw, thresholds: Thresholds) -> Candidates:
        """Anchors worth decoding; of all others nothing but the scores is read.

        Args:
            output: output0, (C, A).

        Raises:
            FloatingPointError: a score is no number or above 1, or a box is nowhere near the picture.
        """
        anchors = (ceiling(output, 4, self.extra_from) > thresholds.conf).nonzero()[0]
        table = part(output, 4, self.extra_from, anchors)
        if self.spec.nms_free:
            class_ids, index = (below(table, TOP, "scores above 1") > thresholds.conf).nonzero()
            scores = table[class_ids, index]
        else:
            class_ids = table.argmax(0)  # of NaN if there is one
            scores = below(table[class_ids, np.arange(len(anchors))], TOP, "scores above 1")
            index = (scores > thresholds.conf).nonzero()[0]
            class_ids, scores = class_ids[index], scores[index]
        anchors = anchors[index]
        if thresholds.classes is not None:
            wanted = np.isin(class_ids, thresholds.classes)
            anchors, class_ids, scores = anchors[wanted], class_ids[wanted], scores[wanted]
        if len(scores) > MAX_NMS:
            index = best_first(scores)[:MAX_NMS]
            anchors, class_ids, scores = anchors[index], class_ids[index], scores[index]
        geometry = self.geometry(output, anchors)
        below(np.abs(geometry), FAR, "boxes far from the picture")
        found = Candidates(anchors, geometry, np.minimum(scores, 1), class_ids)
        sides = self.sides(geometry)
        return found if sides.min(initial=1) > 0 else found.take((sides > 0).all(0))

    def geometry(self, output: Raw, anchors: np.ndarray) -> np.ndarray:
        """What suppression looks at, of some anchors: (4, N) float32 x1, y1, x2, y2 in input px."""
        out = self.read(output, 0, 4, anchors)
        half = out[2:] / 2
        np.add(out[:2], half, out=out[2:])
        out[:2] -= half
        return out

    def sides(self, geometry: np.ndarray) -> np.ndarray:
        """Widths and heights, (2, N)."""
        return geometry[2:] - geometry[:2]

    def read(self, output: Raw, first: int, last: int, anchors: np.ndarray) -> np.ndarray:
        """(channels, N) float32 of some anchors, coordinates in input px."""
        return part(output, first, last, anchors) * self.scale[first:last]

    def suppress(self, found: Candidates, thresholds: Thresholds) -> np.ndarray:
        """Indices of the candidates that overlap no better one, best first."""
        return nms(found.geometry, found.scores, found.class_ids, thresholds.iou)

    def check(self, outputs: Sequence[Raw]) -> None:
        """Raises :class:`ValueError` where the outputs are not this model's: their number, shapes or types."""
        check_fit(outputs, self.outputs)

    def decode(self, outputs: Sequence[Raw], letterbox: Letterbox, thresholds: Thresholds) -> Result:
        """The model's raw outputs to detections in source px, each with a box inside the picture that is not empty.

        Args:
            outputs: in the order of :attr:`outputs`, layout flat or grid; passed by :meth:`check`.
            letterbox: of the picture they were made from.

        Raises:
            FloatingPointError: a score of any anchor, or whatever a detection depends on, is no number or none that
                can be meant. Of anchors below the threshold nothing else is looked at.
        """
        with np.errstate(all="ignore"):  # what overflows is noticed
            output = outputs[0].reshape(len(self.scale), -1)
            found = self.candidates(output, thresholds)
            kept = best_first(found.scores) if self.spec.nms_free else self.suppress(found, thresholds)
            found = found.take(kept[: thresholds.max_det])
            boxes = self.boxes(found, letterbox)
            inside = boxes[:, 2:] > boxes[:, :2]  # others lie in the padding
            if not inside.all():
                found, boxes = found.take(inside.all(1)), boxes[inside.all(1)]
            extra = NO_EXTRA
            if self.extra_from < len(self.scale):
                extra = finite(self.read(output, self.extra_from, len(self.scale), found.anchors))
            result = Result(self.spec, letterbox.source, boxes, found.scores, found.class_ids)
            self.finish(result, extra.T, found, outputs, letterbox)
        return result

    def boxes(self, found: Candidates, letterbox: Letterbox) -> np.ndarray:
        """(N, 4) xyxy in source px, clipped to the picture."""
        return letterbox.boxes(found.geometry.T)

    def finish(  # noqa: B027 (a plain box needs nothing more)
        self,
        result: Result,
        extra: np.ndarray,
        found: Candidates,
        outputs: Sequence[Raw],
        letterbox: Letterbox,
    ) -> None:
        """Adds the task's own part to ``result``; ``extra`` (N, C) are its channels of the survivors."""

    @abstractmethod
    def draw(self, image: np.ndarray, result: Result) -> np.ndarray:
        """The source picture (h, w, 3) uint8 RGB with the detections drawn on a copy."""
