"""How far answers are from fp32's: of scores and boxes, over the anchors where fp32 sees something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rknn_zoo_e2e.tasks.registry import task_of
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.vision.arrays import Array, Floats

SEEN = 0.1  # score from which an anchor counts


@dataclass(frozen=True)
class Errors:
    """Of an emulated graph.

    Attributes:
        anchors: how many counted.
        score: mean error of the score of the class fp32 finds best, 0..1. (Of its square the few anchors that waver
            most would be nearly all.)
        box_px: mean error of the four values of the box, px of the input.
    """

    anchors: int
    score: float
    box_px: float

    def __sub__(self, other: Errors) -> Errors:
        return Errors(self.anchors, self.score - other.score, self.box_px - other.box_px)

    def share_of(self, whole: Errors) -> float:
        """How much of other errors comes from these: of their squares, which add up, the mean of both."""
        score = self.score / whole.score if whole.score else 0.0
        box = self.box_px / whole.box_px if whole.box_px else 0.0
        return (score**2 + box**2) / 2

    def report(self) -> dict[str, float]:
        """As a bundle keeps it."""
        return {"score": round(self.score, 6), "box_px": round(self.box_px, 5)}


class Answers:
    """Anchors that fp32 gives a score above :data:`SEEN`, and what others say of them."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec, self.task = spec, task_of(spec)
        self.seen: list[tuple[Array, Array]] = []  # of each picture: anchors and their best class's channel
        self.wanted: list[Array] = []

    def expect(self, outputs: Sequence[Floats]) -> None:
        """What fp32 answers to the next picture."""
        values = self._flat(outputs)
        best = values[4 : self.task.extra_from].argmax(0) + 4
        (anchors,) = np.nonzero(values[best, np.arange(len(best))] > SEEN)
        self.seen.append((anchors, best[anchors]))
        self.wanted.append(self._told(values, len(self.seen) - 1))

    @property
    def anchors(self) -> int:
        """How many count."""
        return sum(len(anchors) for anchors, _ in self.seen)

    def errors(self, answers: Sequence[Sequence[Floats]]) -> Errors:
        """Of what another graph answers to the same pictures, in their order."""
        off = np.abs(np.concatenate([self.deviation(outputs, index) for index, outputs in enumerate(answers)], 1))
        return Errors(off.shape[1], float(off[4].mean()), float(off[:4].mean()))

    def deviation(self, outputs: Sequence[Floats], picture: int) -> Array:
        """The same of each anchor of one picture: of the box's four values in px of the input and the score, (5, N)."""
        height, width = self.spec.imgsz
        scale = np.array([[width], [height], [width], [height], [1]])
        deviation: Array = (self._told(self._flat(outputs), picture) - self.wanted[picture]) * scale
        return deviation

    def _flat(self, outputs: Sequence[Floats]) -> Array:
        """All channels of all anchors, (C, A)."""
        first = np.asarray(self.task.form.ours(outputs)[0], np.float64)
        return first.reshape(self.task.outputs[0].count, -1)

    def _told(self, values: Array, picture: int) -> Array:
        """Boxes and scores of the anchors that count, (5, N)."""
        anchors, best = self.seen[picture]
        return np.concatenate([values[:4, anchors], values[best, anchors][None]])
