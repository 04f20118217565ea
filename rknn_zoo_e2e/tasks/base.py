"""What a task adapter supplies, and the part of decoding all four share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from rknn_zoo_e2e.errors import UsageError
from rknn_zoo_e2e.tasks.contract import find_contract
from rknn_zoo_e2e.tasks.outputs import Channels, Output
from rknn_zoo_e2e.tasks.result import Result
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.vision.arrays import Array, Floats, Indices
from rknn_zoo_e2e.vision.letterbox import Letterbox
from rknn_zoo_e2e.vision.nms import best_first, nms
from rknn_zoo_e2e.vision.tensors import Raw, below, ceiling, finite, greatest, least, part

MAX_NMS = 30_000  # candidates before suppression, as Ultralytics
MAX_SCORE = 1.01  # a score may be rounded up to just above 1; what is higher is none
# Input sizes; much beyond it float32 has no room for what keeps classes apart (rknn_zoo_e2e.vision.nms), and no model
# means it.
MAX_NORMALISED_COORDINATE = 1e3


@dataclass(frozen=True)
class Thresholds:
    """Ultralytics' post-processing arguments.

    Attributes:
        conf: score a detection has to be above, 0..1.
        iou: overlap with a better one up to which it is kept, 0..1.
        max_det: how many are kept at most.
        classes: those that are wanted, all by default; one or several, ids or names, which a
            :class:`~rknn_zoo_e2e.runtime.predictor.Predictor` turns into ids.

    Raises:
        UsageError: values that mean nothing.

    Example:
        >>> from rknn_zoo_e2e import Thresholds, load
        >>> thresholds = Thresholds(conf=0.5, classes="arrow")
        >>> with load("shapes_rknn_model", backend="onnx", thresholds=thresholds) as predictor:
        ...     result = predictor("sample.jpg")
        >>> {result.label(i) for i in range(len(result))}, bool(result.scores.min() > 0.5)
        ({'arrow'}, True)
    """

    conf: float = 0.25
    iou: float = 0.7
    max_det: int = 300
    classes: tuple[int | str, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("conf", "iou"):
            value = getattr(self, name)
            if (
                not isinstance(value, (float, int, np.floating)) or isinstance(value, bool) or not 0 <= value <= 1
            ):  # NaN
                raise UsageError(f"{name} {value!r} is not from 0 to 1.", f"Give one that is, such as {name} 0.5.")
        if not isinstance(self.max_det, (int, np.integer)) or isinstance(self.max_det, bool):
            raise UsageError(f"max_det {self.max_det!r} is no whole number.", "Give one from 1 on.")
        if self.max_det < 1:
            raise UsageError(f"max_det {self.max_det} leaves no detection.", "Give 1 or more.")
        if self.classes is not None:
            several = isinstance(self.classes, Iterable) and not isinstance(self.classes, str)
            object.__setattr__(self, "classes", tuple(self.classes) if several else (self.classes,))


class Candidates(NamedTuple):
    """Anchors above the score threshold.

    Attributes:
        anchors: (N,) their places in the output.
        geometry: (4, N) x1, y1, x2, y2 in input px; of rotated boxes (5, N) cx, cy, w, h, radians.
        scores: (N,) float32, the best (one-to-one: each) score above the threshold, 0..1.
        class_ids: (N,) int64, its class.
    """

    anchors: Indices
    geometry: Floats
    scores: Floats
    class_ids: Indices

    def take(self, index: Indices) -> Candidates:
        """Those at ``index``, in its order."""
        anchors, geometry = self.anchors.take(index), self.geometry.take(index, 1)
        return Candidates(anchors, geometry, self.scores.take(index), self.class_ids.take(index))


def capped(scores: Floats) -> Floats:
    """The scores themselves, 1 where rounding took them above it.

    Raises:
        FloatingPointError: one is no number, or none that can be meant.
    """
    if greatest(scores) <= 1:
        return scores
    return np.minimum(below(scores, MAX_SCORE, "scores above 1"), 1)


def near(geometry: Floats) -> Floats:
    """The normalised coordinates themselves.

    Raises:
        FloatingPointError: one is no number, or nowhere near the picture.
    """
    if (
        not float(np.vdot(geometry, geometry)) < MAX_NORMALISED_COORDINATE**2
    ):  # their sum of squares bounds each, and is quick
        below(np.abs(geometry), MAX_NORMALISED_COORDINATE, "boxes far from the picture")
    return geometry


class Task:
    """One task for one model: what its outputs are, and their decoding.

    What else is true of a task stands in :mod:`rknn_zoo_e2e.tasks.registry`.

    Args:
        spec: the model.

    Attributes:
        form: the outputs as its artifacts give them, and what turns them into :attr:`outputs`.
        own_error: what :meth:`off` measures, a name that ends in its unit; "" where it measures nothing.
    """

    own_error: ClassVar[str] = ""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.form = find_contract(spec.contract).form_of(spec, self.outputs)
        # Whether BLAS uses one thread, as the command line has it: its other threads wait by spinning, and on a small
        # board there is better work for the cores. Then scores are bounded by a matrix product, which is quicker.
        self.one_thread = False
        self.scale = self.input_scale()
        self.extra_from = 4 + len(spec.names)  # the first channel after box and scores

    @property
    def name(self) -> str:
        """The task's name."""
        return self.spec.task

    @property
    def extra(self) -> tuple[Channels, ...]:
        """Channels after box and scores."""
        return ()

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What is decoded, by name, with the channels in order: the model's own outputs or made from them."""
        box = Channels("box", 4, "cx, cy, w, h normalised to the input (0..1)")
        scores = Channels("scores", len(self.spec.names), "0..1")
        return (Output("output0", (box, scores, *self.extra)),)

    def input_scale(self) -> Floats:
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
        anchors = (ceiling(output, 4, self.extra_from, self.one_thread) > thresholds.conf).nonzero()[0]
        table = part(output, 4, self.extra_from, anchors)
        if self.spec.nms_free:
            table = capped(table)
            class_ids, index = (table > thresholds.conf).nonzero()
            scores = table[class_ids, index]
        else:
            class_ids = table.argmax(0)  # of NaN if there is one
            scores = capped(table[class_ids, np.arange(len(anchors))])
            index = (scores > thresholds.conf).nonzero()[0]
            class_ids, scores = class_ids[index], scores[index]
        anchors = anchors[index]
        if thresholds.classes is not None:
            wanted = np.isin(class_ids, thresholds.classes)
            anchors, class_ids, scores = anchors[wanted], class_ids[wanted], scores[wanted]
        if len(scores) > MAX_NMS:
            index = best_first(scores)[:MAX_NMS]
            anchors, class_ids, scores = anchors[index], class_ids[index], scores[index]
        found = Candidates(anchors, self.geometry(output, anchors), scores, class_ids)
        sides = self.sides(found.geometry)
        return found if least(sides) > 0 else found.take((sides > 0).all(0).nonzero()[0])

    def geometry(self, output: Raw, anchors: Indices) -> Floats:
        """What suppression looks at, of some anchors: (4, N) float32 x1, y1, x2, y2 in input px.

        Raises:
            FloatingPointError: a box is nowhere near the picture.
        """
        out = near(part(output, 0, 4, anchors)) * self.scale[:4]
        half = out[2:] * np.float32(0.5)
        np.add(out[:2], half, out=out[2:])
        out[:2] -= half
        return out

    def sides(self, geometry: Floats) -> Floats:
        """Widths and heights, (2, N)."""
        return geometry[2:] - geometry[:2]

    def read(self, output: Raw, first: int, last: int, anchors: Indices) -> Floats:
        """(channels, N) float32 of some anchors, coordinates in input px."""
        return part(output, first, last, anchors) * self.scale[first:last]

    def suppress(self, found: Candidates, thresholds: Thresholds) -> Indices:
        """Indices of the candidates that overlap no better one, best first."""
        return nms(found.geometry, found.scores, found.class_ids, thresholds.iou)

    def check(self, outputs: Sequence[Raw]) -> None:
        """Raises :class:`ValueError` where the outputs are not this model's: their number, shapes or types."""
        self.form.check(outputs)

    def decode(self, outputs: Sequence[Raw], letterbox: Letterbox, thresholds: Thresholds) -> Result:
        """The model's raw outputs to detections in source px, the same that Ultralytics' post-processing finds.

        Their boxes lie inside the picture; one that was found in the padding has no area there.

        Args:
            outputs: the model's, in any layout; passed by :meth:`check`.
            letterbox: of the picture they were made from.

        Raises:
            FloatingPointError: a score of any anchor, or whatever a detection depends on, is no number or none that
                can be meant. Of anchors below the threshold nothing else is looked at.
        """
        outputs = self.form.ours(outputs)
        output = outputs[0].reshape(len(self.scale), -1)
        found = self.candidates(output, thresholds)
        kept = best_first(found.scores) if self.spec.nms_free else self.suppress(found, thresholds)
        found = found.take(kept[: thresholds.max_det])
        boxes = self.boxes(found, letterbox)
        result = Result(self.spec, letterbox.source, boxes, found.scores, found.class_ids)
        if self.extra_from < len(self.scale):
            with np.errstate(all="ignore"):  # what overflows is noticed
                extra = finite(self.read(output, self.extra_from, len(self.scale), found.anchors))
                self.finish(result, extra.T, found, outputs, letterbox)
        return result

    def boxes(self, found: Candidates, letterbox: Letterbox) -> Floats:
        """(N, 4) xyxy in source px, clipped to the picture."""
        return letterbox.boxes(found.geometry.T)

    def finish(
        self,
        result: Result,
        extra: Floats,
        found: Candidates,
        outputs: Sequence[Raw],
        letterbox: Letterbox,
    ) -> None:
        """Adds the task's own part to ``result``; ``extra`` (N, C) are its channels of the survivors."""

    def off(self, boxes: Array, wanted: Sequence[Array], found: Sequence[Array]) -> Array:
        """How far what an answer has beyond boxes and scores is from another's.

        Args:
            boxes: (4, N) cx, cy, w, h in input px, of the answer that is right.
            wanted: the right one: :attr:`extra` (C, N), coordinates in input px, then further outputs (C, H, W).
            found: the other, alike.

        Returns:
            (N,) in the unit of :attr:`own_error`, 0 or more.
        """
        return np.zeros(boxes.shape[1])
