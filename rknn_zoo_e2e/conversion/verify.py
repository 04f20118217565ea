"""Parity: a built model against fp32 on the same pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rknn_zoo_e2e.tasks.base import Thresholds
from rknn_zoo_e2e.tasks.registry import task_of
from rknn_zoo_e2e.tasks.result import Result
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.vision.arrays import Array, Floats
from rknn_zoo_e2e.vision.letterbox import Letterbox
from rknn_zoo_e2e.vision.nms import iou, probiou
from rknn_zoo_e2e.vision.tensors import real

# A reference detection counts from this score, so that one wavering about the threshold is no loss ...
EXPECTED_THRESHOLDS = Thresholds(conf=0.4)
# ... and it is found again by any of the same class that overlaps it by half.
FOUND_THRESHOLDS = Thresholds(conf=0.25)
MATCH_IOU = 0.5

# What a good build reaches at least, by key of the report; a key that is not measured is not asked for. All starter and
# n-size models pass with room to spare, and a broken one (pixel coordinates in one INT8 tensor, a wrong channel order,
# a picture not letterboxed) fails.
MIN_FIGURES = {"recall": 0.85, "mean_iou": 0.85, "mask_iou": 0.8}
MAX_FIGURES = {"score_difference": 0.15, "keypoint_px": 8.0, "angle_degrees": 5.0}
MIN_COSINE = 0.95  # of the scores, where no picture shows anything


def cosine(a: Array, b: Array) -> float:
    """Cosine similarity of two arrays."""
    a, b = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12))


class Parity:
    """Collects pictures of one model, then reports.

    Attributes:
        expected: detections of fp32.
        found: how far each of those that are found again is off (:func:`differences`).
        scores: of each detection of fp32 there and in the build, None where it is not found again; 0..1.
        cosines: by kind of output channels, one a picture.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self.spec, self.task = spec, task_of(spec)
        self.cosines: dict[str, list[float]] = {}
        self.found: list[dict[str, float]] = []
        self.scores: list[tuple[float, float | None]] = []
        self.expected, self.pictures = 0, 0

    def add(self, reference: Sequence[Floats], actual: Sequence[Floats], letterbox: Letterbox) -> None:
        """One picture's fp32 and built outputs, in either layout."""
        self.pictures += 1
        for output, one, two in zip(
            self.task.outputs, self.task.form.ours(reference), self.task.form.ours(actual), strict=True
        ):
            one, two = real(one).reshape(output.count, -1), real(two).reshape(output.count, -1)
            start = 0
            for part in output.channels:
                channels = slice(start, start + part.count)
                self.cosines.setdefault(part.kind, []).append(cosine(one[channels], two[channels]))
                start += part.count
        expected = self.task.decode(reference, letterbox, EXPECTED_THRESHOLDS)
        self.match(expected, self.task.decode(actual, letterbox, FOUND_THRESHOLDS), letterbox.gain)

    def match(self, expected: Result, actual: Result, gain: Floats) -> None:
        """Pairs each expected detection with the best-overlapping one of its class not yet taken.

        Args:
            gain: (2,) input px per source px in x and y.
        """
        self.expected += len(expected)
        free = np.ones(len(actual), bool)
        for i in range(len(expected)):
            self.scores.append((float(expected.scores[i]), None))
            candidates = np.flatnonzero(free & (actual.class_ids == expected.class_ids[i]))
            if not candidates.size:
                continue
            if expected.obb is not None and actual.obb is not None:
                overlap = probiou(expected.obb[i : i + 1].T, actual.obb[candidates].T)
            else:
                overlap = iou(expected.boxes[i], actual.boxes[candidates])
            if overlap.max() < MATCH_IOU:
                continue
            j = int(candidates[overlap.argmax()])
            free[j] = False
            self.scores[-1] = float(expected.scores[i]), float(actual.scores[j])
            self.found.append(differences(expected, i, actual, j, gain) | {"mean_iou": float(overlap.max())})

    def join(self, other: Parity) -> None:
        """Adds the pictures of another, of the same model."""
        self.pictures += other.pictures
        self.expected += other.expected
        self.found += other.found
        self.scores += other.scores
        for kind, values in other.cosines.items():
            self.cosines.setdefault(kind, []).extend(values)

    def report(self) -> dict[str, Any]:
        """The ``parity`` of an artifact; ``keypoint_px`` in input px, however large the pictures, angles in degrees."""
        report: dict[str, Any] = {
            "pictures": self.pictures,
            "cosine": {kind: round(float(np.mean(values)), 5) for kind, values in self.cosines.items()},
            "detections": self.expected,
        }
        if self.expected:
            report["recall"] = round(len(self.found) / self.expected, 4)
            for key in sorted({key for one in self.found for key in one}):
                report[key] = round(float(np.mean([one[key] for one in self.found if key in one])), 4)
        report["passed"] = passed(report)
        return report


def passed(report: dict[str, Any]) -> bool:
    """Whether a report meets the thresholds."""
    if not report["detections"]:
        return bool(report["cosine"]["scores"] >= MIN_COSINE)
    return all(report.get(key, least) >= least for key, least in MIN_FIGURES.items()) and all(
        report.get(key, most) <= most for key, most in MAX_FIGURES.items()
    )


def differences(expected: Result, i: int, actual: Result, j: int, gain: Floats) -> dict[str, float]:
    """How far detection ``j`` is from the expected ``i``, for what the task has; ``gain``: see :meth:`Parity.match`."""
    out = {"score_difference": abs(float(expected.scores[i] - actual.scores[j]))}
    if expected.keypoints is not None and actual.keypoints is not None:
        a, b = expected.keypoints[i], actual.keypoints[j]
        seen = a[:, 2] > 0.5 if a.shape[1] == 3 else np.ones(len(a), bool)
        if seen.any():
            out["keypoint_px"] = float(np.linalg.norm((a[seen, :2] - b[seen, :2]) * gain, axis=1).mean())
    if expected.masks is not None and actual.masks is not None:
        one, two = (m.full(*expected.shape) for m in (expected.masks[i], actual.masks[j]))
        out["mask_iou"] = float((one & two).sum() / max((one | two).sum(), 1))
    if expected.obb is not None and actual.obb is not None:
        quarter = np.pi / 2  # a rectangle is itself again, sides swapped, after a quarter turn
        turn = abs(float(expected.obb[i, 4] - actual.obb[j, 4])) % quarter
        out["angle_degrees"] = float(np.degrees(min(turn, quarter - turn)))
    return out
