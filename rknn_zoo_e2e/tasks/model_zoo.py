"""Outputs level by level, as rknn_model_zoo's programs read them, and their decoding to ours."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from rknn_zoo_e2e.tasks.forms import Form
from rknn_zoo_e2e.tasks.outputs import Channels, Output
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.vision.arrays import Array, Floats
from rknn_zoo_e2e.vision.tensors import Raw, real


class ZooForm(Form):
    """What the outputs of all tasks share: maps of each level, the finest first."""

    def __init__(self, spec: ModelSpec, ours: tuple[Output, ...]) -> None:
        super().__init__(spec, ours)
        strides = [spec.stride >> level for level in reversed(range(spec.levels))]
        self.sizes = [(spec.imgsz[0] // stride, spec.imgsz[1] // stride) for stride in strides]  # (h, w) in cells
        self.anchors = sum(height * width for height, width in self.sizes)
        self.box = Channels("box", 4 * spec.bins, "logits of the left, top, right and bottom side's bins")
        if spec.bins == 1:
            self.box = Channels("box", 4, "left, top, right, bottom from the cell's centre, in cells")

    def check(self, outputs: Sequence[Raw]) -> None:
        """Raises :class:`ValueError`, too, where a map is not of its level's size."""
        super().check(outputs)
        for output, wanted, size in zip(outputs, self.outputs, self.shapes, strict=True):
            if tuple(output.shape[2:]) != size:
                raise ValueError(f"{wanted.name} of shape {output.shape}, not (1, {wanted.count}, {size})")

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """What follows the channels in each output's shape."""
        return [*self.sizes, (self.anchors,)]

    def boxes(self, logits: Floats, angle: Array | float = 0.0) -> Array:
        """Decoded boxes (4, A): cx, cy, w, h normalised.

        Args:
            logits: (4 * bins, A).
            angle: radians by which the shift of the centre is turned (A,).
        """
        left, top, right, bottom = expectation(logits) if self.spec.bins > 1 else logits
        x, y = (right - left) / 2, (bottom - top) / 2
        cos, sin = np.cos(angle), np.sin(angle)
        shift, size = np.stack([x * cos - y * sin, x * sin + y * cos]), np.stack([left + right, top + bottom])
        centres, cells = [], []
        for height, width in self.sizes:
            rows, columns = np.mgrid[:height, :width] + 0.5
            centres.append(np.stack([columns.ravel(), rows.ravel()]))
            cells.append(np.repeat([[1 / width], [1 / height]], height * width, 1))
        cell = np.concatenate(cells, 1)
        return np.concatenate([(np.concatenate(centres, 1) + shift) * cell, size * cell])

    def merged(self, *parts: Array) -> Floats:
        """Channels (C, A) one after another as our first output, (1, C, A)."""
        return np.concatenate(parts)[None].astype(np.float32)


class ZooDetectForm(ZooForm):
    """Of each level box, scores and their sum, with masks their weights too; then what the task has besides."""

    @property
    def kinds(self) -> tuple[Channels, ...]:
        """One output each, of each level."""
        _, scores, *extra = self._ours[0].channels
        return self.box, scores, Channels("sum", 1, "of the scores, at most 1"), *extra

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Those of the finest level first, then what the task has besides."""
        kinds = [*self.kinds] * len(self.sizes)
        levels = tuple(Output(f"output{index}", (kind,)) for index, kind in enumerate(kinds))
        besides = self._ours[1:]
        return (*levels, *(Output(f"output{len(levels) + i}", o.channels) for i, o in enumerate(besides)))

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The sizes of the levels, each for all its kinds; the prototypes are a quarter of the input."""
        quarter = self.spec.imgsz[0] // 4, self.spec.imgsz[1] // 4
        return [*(size for size in self.sizes for _ in self.kinds), *(quarter for _ in self._ours[1:])]

    def ours(self, outputs: Sequence[Raw]) -> Sequence[Raw]:
        """Boxes decoded, levels put together."""
        count = len(self.kinds) * len(self.sizes)
        box, scores, _, *extra = (flat(outputs[kind : count : len(self.kinds)]) for kind in range(len(self.kinds)))
        return [self.merged(self.boxes(box), scores, *extra), *outputs[count:]]


class ZooLogitsForm(ZooForm, ABC):
    """Box and class logits of each level in one map, then an output of the task over all anchors."""

    @property
    def outputs(self) -> tuple[Output, ...]:
        """A map of each level, the finest first, and the task's own."""
        logits = Channels("scores", len(self.spec.names), "logits")
        levels = tuple(Output(f"output{index}", (self.box, logits)) for index in range(len(self.sizes)))
        return (*levels, Output(f"output{len(levels)}", (self.last,)))

    @property
    @abstractmethod
    def last(self) -> Channels:
        """What the last output holds."""

    def maps(self, outputs: Sequence[Raw]) -> tuple[Floats, Floats]:
        """Box logits (4 * bins, A) and scores (classes, A)."""
        both = flat(outputs[:-1])
        return both[: self.box.count], sigmoid(both[self.box.count :])


class ZooPoseForm(ZooLogitsForm):
    """Key points decoded, in px, (1, points, values, A)."""

    @property
    def kpt_shape(self) -> tuple[int, int]:
        """Points and values of each."""
        assert self.spec.kpt_shape is not None
        return self.spec.kpt_shape

    @property
    def last(self) -> Channels:
        """The points; a third axis has x, y and, where the model has it, visibility."""
        return Channels("keypoints", self.kpt_shape[0], "x, y in input px[, visibility 0..1] on the next axis")

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The sizes of the levels, and values by anchors."""
        return [*self.sizes, (self.kpt_shape[1], self.anchors)]

    def ours(self, outputs: Sequence[Raw]) -> Sequence[Raw]:
        """Boxes decoded, key points normalised."""
        height, width = self.spec.imgsz
        points = real(outputs[-1])[0] / np.array([width, height, 1.0])[: self.kpt_shape[1], None]
        box, scores = self.maps(outputs)
        return [self.merged(self.boxes(box), scores, points.reshape(-1, self.anchors))]


class ZooObbForm(ZooLogitsForm):
    """Angles, (1, 1, A)."""

    @property
    def last(self) -> Channels:
        """The angles."""
        return Channels("angle", 1, "(value - 1/4) * pi radians")

    def ours(self, outputs: Sequence[Raw]) -> Sequence[Raw]:
        """Boxes decoded, turned by their angle."""
        angle = (real(outputs[-1])[0] - 0.25) * np.pi
        box, scores = self.maps(outputs)
        return [self.merged(self.boxes(box, angle[0]), scores, angle)]


FORMS: dict[str, type[ZooForm]] = {
    "detect": ZooDetectForm, "segment": ZooDetectForm, "pose": ZooPoseForm, "obb": ZooObbForm,
}  # fmt: skip


def form_of(spec: ModelSpec, ours: tuple[Output, ...]) -> ZooForm:
    """The form of a task's outputs."""
    return FORMS[spec.task](spec, ours)


def flat(maps: Sequence[Raw]) -> Floats:
    """(1, C, h, w) of each level to (C, A)."""
    return np.concatenate([real(x).reshape(x.shape[1], -1) for x in maps], 1)


def expectation(logits: Floats) -> Floats:
    """Mean of the softmax of each side's bins: (4 * bins, A) to (4, A) in cells."""
    x = logits.reshape(4, -1, logits.shape[1])
    weights = np.exp(x - x.max(1, keepdims=True))
    mean: Floats = (weights * np.arange(x.shape[1], dtype=np.float32)[:, None]).sum(1) / weights.sum(1)
    return mean


def sigmoid(x: Floats) -> Floats:
    """0..1."""
    with np.errstate(over="ignore"):  # of a logit below -88 the share is 0
        share: Floats = 1 / (1 + np.exp(-x))
    return share
