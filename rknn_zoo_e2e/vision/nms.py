"""Non-maximum suppression for upright and rotated boxes."""

from __future__ import annotations

import numpy as np


def iou(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of one box (4,) with others (N, 4), xyxy in any one unit."""
    top_left, bottom_right = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    inter = np.prod(np.clip(bottom_right - top_left, 0, None), 1)
    area = np.prod(others[:, 2:] - others[:, :2], 1)
    return inter / np.maximum(np.prod(box[2:] - box[:2]) + area - inter, 1e-9)


def nms(boxes: np.ndarray, scores: np.ndarray, class_ids: np.ndarray, threshold: float) -> np.ndarray:
    """Class-aware greedy suppression.

    Args:
        boxes: (N, 4) xyxy.
        scores: (N,).
        class_ids: (N,) int; boxes of different classes never suppress each other.
        threshold: overlap above which the weaker box goes.

    Returns:
        Indices kept, best score first.
    """
    # Classes moved apart, so that one pass serves all of them.
    span = float(boxes.max() - boxes.min()) + 1.0 if len(boxes) else 1.0
    apart = boxes + (class_ids * span)[:, None]
    order, keep = np.argsort(-scores, kind="stable"), []
    while order.size:
        first, rest = order[0], order[1:]
        keep.append(first)
        order = rest[iou(apart[first], apart[rest]) <= threshold]
    return np.array(keep, np.int64)


def covariance(obb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gaussian covariance terms a, b, c of rotated boxes (N, 5) cx, cy, w, h, radians."""
    w2, h2 = obb[:, 2] ** 2 / 12, obb[:, 3] ** 2 / 12
    cos, sin = np.cos(obb[:, 4]), np.sin(obb[:, 4])
    return w2 * cos**2 + h2 * sin**2, w2 * sin**2 + h2 * cos**2, (w2 - h2) * cos * sin


def probiou(one: np.ndarray, others: np.ndarray, eps: float = 1e-7) -> np.ndarray:
    """Probabilistic IoU of one rotated box (5,) with others (N, 5) (arXiv:2106.06072; ultralytics.utils.metrics)."""
    a1, b1, c1 = covariance(one[None])
    a2, b2, c2 = covariance(others)
    dx, dy = one[0] - others[:, 0], one[1] - others[:, 1]
    a, b, c = a1 + a2, b1 + b2, c1 + c2
    det = a * b - c**2
    t1 = (a * dy**2 + b * dx**2) / (det + eps) * 0.25
    t2 = -(c * dx * dy) / (det + eps) * 0.5  # = c * (x2 - x1) * (y1 - y2) / det * 0.5
    dets = np.clip(a1 * b1 - c1**2, 0, None) * np.clip(a2 * b2 - c2**2, 0, None)
    t3 = 0.5 * np.log(det / (4 * np.sqrt(dets) + eps) + eps)
    distance = np.clip(t1 + t2 + t3, eps, 100.0)
    return 1 - np.sqrt(1 - np.exp(-distance) + eps)


def rotated_nms(obb: np.ndarray, scores: np.ndarray, class_ids: np.ndarray, threshold: float) -> np.ndarray:
    """Class-aware suppression by probabilistic IoU, as Ultralytics' (a box goes if any better one overlaps it).

    Args:
        obb: (N, 5) cx, cy, w, h, radians, in px.
        scores: (N,).
        class_ids: (N,) int.
        threshold: overlap above which the weaker box goes.

    Returns:
        Indices kept, best score first.
    """
    keep = []
    order = np.argsort(-scores, kind="stable")
    for rank, index in enumerate(order):
        better = order[:rank]
        better = better[class_ids[better] == class_ids[index]]
        if not np.any(probiou(obb[index], obb[better]) > threshold):
            keep.append(index)
    return np.array(keep, np.int64)
