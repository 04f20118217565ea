"""What Frigate does with one output of a model of type yolo-generic, told in its own steps (frigate/util/model.py)."""

from __future__ import annotations

import cv2
import numpy as np

THRESHOLD, OVERLAP, MOST = 0.4, 0.4, 20


def kept(output: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Corners (N, 4) in input px, scores and classes of the anchors above its threshold."""
    table = np.squeeze(output).T
    scores = table[:, 4:].max(1)
    table, scores = table[scores > THRESHOLD], scores[scores > THRESHOLD]
    half = table[:, 2:4] / 2
    return np.concatenate([table[:, :2] - half, table[:, :2] + half], 1), scores, table[:, 4:].argmax(1)


def detections(output: np.ndarray, height: int, width: int) -> np.ndarray:
    """(N, 6) class, score, y1, x1, y2, x2 divided by the input's sides; at most 20.

    Its corners are read as x, y, width and height by what suppresses, and all classes suppress each other.
    """
    corners, scores, classes = kept(output)
    chosen = np.asarray(cv2.dnn.NMSBoxes(corners, scores, THRESHOLD, OVERLAP), int).ravel()[:MOST]
    sides = np.array([height, width, height, width])
    return np.column_stack([classes[chosen], scores[chosen], corners[chosen][:, [1, 0, 3, 2]] / sides])
