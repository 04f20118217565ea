"""How far answers are from fp32's: scores, boxes and the task's own, over the anchors where fp32 sees something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rknn_zoo_e2e.bundle.analysis import BOX, SCORE
from rknn_zoo_e2e.tasks.registry import task_of
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.vision.arrays import Array, Floats, Indices
from rknn_zoo_e2e.vision.tensors import Raw, part, real

SEEN = 0.1  # score from which an anchor counts


@dataclass(frozen=True)
class Errors:
    """Of an emulated graph.

    Attributes:
        anchors: how many counted.
        mean: by kind, the unit in its name: ``score``, of the class fp32 finds best, 0..1 (of its square the few
            anchors that waver most would be nearly all); ``box_px``, of the four values of the box, px of the input;
            and the task's own, if it has one (:attr:`~rknn_zoo_e2e.tasks.base.Task.own_error`).
    """

    anchors: int
    mean: Mapping[str, float]

    def __sub__(self, other: Errors) -> Errors:
        return Errors(self.anchors, {kind: value - other.mean[kind] for kind, value in self.mean.items()})

    def share_of(self, whole: Errors) -> float:
        """How much of other errors comes from these: of their squares, which add up, in the kind where it is most.

        A branch has a part in one kind alone; in a mean it would stand behind layers that have a little in all.
        """
        return max((value / whole.mean[kind]) ** 2 if whole.mean[kind] else 0.0 for kind, value in self.mean.items())

    def report(self) -> dict[str, float]:
        """As a bundle keeps it."""
        return {kind: round(value, 6) for kind, value in self.mean.items()}


@dataclass(frozen=True)
class Answer:
    """What is said of the anchors of one picture that count.

    Attributes:
        boxes: (4, N) cx, cy, w, h in px of the input.
        scores: (N,) of the class fp32 finds best, 0..1.
        own: the task's own channels, (C, N), coordinates in px of the input; then its further outputs, (C, H, W).
    """

    boxes: Array
    scores: Array
    own: tuple[Array, ...]


class Answers:
    """Anchors that fp32 gives a score above :data:`SEEN`, and what others say of them."""

    def __init__(self, spec: ModelSpec) -> None:
        self.task = task_of(spec)
        self.seen: list[tuple[Indices, Indices]] = []  # of each picture: anchors and their best class's channel
        self.wanted: list[Answer] = []

    def expect(self, outputs: Sequence[Floats]) -> None:
        """What fp32 answers to the next picture."""
        scores = real(self._channels(self.task.form.ours(outputs)))[4 : self.task.extra_from]
        (anchors,) = np.nonzero(scores.max(0) > SEEN)
        self.seen.append((anchors, scores[:, anchors].argmax(0) + 4))
        self.wanted.append(self._answer(outputs, len(self.seen) - 1))

    @property
    def anchors(self) -> int:
        """How many count."""
        return sum(len(anchors) for anchors, _ in self.seen)

    def errors(self, answers: Sequence[Sequence[Floats]]) -> Errors:
        """Of what another graph answers to the same pictures, in their order."""
        off = [self.deviation(outputs, index) for index, outputs in enumerate(answers)]
        return Errors(self.anchors, {kind: float(np.concatenate([one[kind] for one in off]).mean()) for kind in off[0]})

    def deviation(self, outputs: Sequence[Floats], picture: int) -> dict[str, Array]:
        """The absolute errors in one picture, by kind: (N,) of its anchors, (4 N,) of their boxes."""
        wanted, found = self.wanted[picture], self._answer(outputs, picture)
        off = {SCORE: np.abs(found.scores - wanted.scores), BOX: np.abs(found.boxes - wanted.boxes).ravel()}
        if self.task.own_error:
            off[self.task.own_error] = self.task.off(wanted.boxes, wanted.own, found.own)
        return off

    def _channels(self, ours: Sequence[Raw]) -> Raw:
        """All channels of all anchors, (C, A)."""
        return ours[0].reshape(len(self.task.scale), -1)

    def _answer(self, outputs: Sequence[Floats], picture: int) -> Answer:
        ours = self.task.form.ours(outputs)
        anchors, best = self.seen[picture]
        values = part(self._channels(ours), 0, len(self.task.scale), anchors).astype(np.float64)
        told = values * self.task.scale
        own = (told[self.task.extra_from :], *(real(output)[0] for output in ours[1:]))
        return Answer(told[:4], values[best, np.arange(len(best))], own)
