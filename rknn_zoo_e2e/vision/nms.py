"""Non-maximum suppression: of upright boxes by OpenCV or all at once, of rotated ones by probabilistic IoU."""

from __future__ import annotations

import cv2
import numpy as np

from rknn_zoo_e2e.vision.arrays import Flags, Floats, Indices

BLOCK_BOXES = 128  # rotated candidates at a time: small matrices stay in the cache
FEW_BOXES = 200  # upright candidates for which OpenCV, one pair after the other, is quicker
MAX_PAIRS = 1_000_000  # pairs of them that may touch, beyond which memory (60 bytes each) is dearer than OpenCV's time
# Classes are moved apart by this many px (ultralytics.utils.nms, max_wh), in float32 as there: its rounding, up to
# 1/16 px for the last of 80 classes, decides the closest calls the same way.
CLASS_OFFSET = np.float32(7680)


def iou(box: Floats, others: Floats) -> Floats:
    """Intersection over union of one box (4,) with others (N, 4), xyxy in any one unit."""
    top_left, bottom_right = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    inter = np.prod(np.clip(bottom_right - top_left, 0, None), 1)
    area = np.prod(others[:, 2:] - others[:, :2], 1)
    overlap: Floats = inter / np.maximum(np.prod(box[2:] - box[:2]) + area - inter, 1e-9)
    return overlap


def nms(boxes: Floats, scores: Floats, class_ids: Indices, threshold: float) -> Indices:
    """Class-aware greedy suppression.

    Args:
        boxes: (4, N) float32 x1, y1, x2, y2 in px.
        scores: (N,) float32, above 0.
        class_ids: (N,) int; boxes of different classes never suppress each other.
        threshold: overlap above which the weaker box goes.

    Returns:
        Indices kept, best first; equal scores in the order given.
    """
    apart = boxes + class_ids.astype(np.float32) * CLASS_OFFSET
    if len(scores) > FEW_BOXES:
        order = best_first(scores)
        pairs = overlapping(apart.take(order, 1), threshold)
        if pairs is not None:
            return order[standing(len(order), *pairs)]
    apart[2:] -= apart[:2]
    return greedy(apart, scores, threshold)


def overlapping(boxes: Floats, threshold: float) -> tuple[Indices, Indices] | None:
    """The pairs of boxes whose IoU is above ``threshold``, as two index arrays, the lower index first.

    An overlap above t is wider than t times either box, so the second of two boxes in the order of their left edges
    starts within 1 - t of the first one's width: only such pairs are looked at.

    Args:
        boxes: (4, N) float32 x1, y1, x2, y2.

    Returns:
        None where more than :data:`MAX_PAIRS` pairs would have to be looked at.
    """
    by_left = boxes[0].argsort()
    boxes = boxes.take(by_left, 1)
    sides = boxes[2:] - boxes[:2]
    left, after = boxes[0].astype(np.float64), np.arange(1, len(by_left) + 1)
    counts = left.searchsorted(left + sides[0] * (1 - threshold + 1e-6), "right") - after
    ends = counts.cumsum()
    if (total := int(ends[-1])) > MAX_PAIRS:
        return None
    first = (after - 1).repeat(counts)
    second = np.arange(total) + (after - ends + counts).repeat(counts)
    one, other = boxes.take(first, 1), boxes.take(second, 1)
    inter = np.minimum(one[2:], other[2:])
    inter -= np.maximum(one[:2], other[:2])
    inter = np.maximum(inter, 0, out=inter).prod(0)
    area = sides.prod(0)
    with np.errstate(invalid="ignore"):  # 0 / 0: neither has an area
        overlap = inter / (area.take(first) + area.take(second) - inter)
    over = (overlap > threshold).nonzero()[0]
    first, second = by_left[first[over]], by_left[second[over]]
    return np.minimum(first, second), np.maximum(first, second)


def standing(count: int, better: Indices, worse: Indices) -> Flags:
    """(count,) bool: what greedy suppression keeps, given each pair of which only one may stay.

    A box with no better one left stays, and those it beats go; what they would have beaten is free again.
    """
    stays = np.ones(count, bool)
    while len(worse):
        beaten = np.zeros(count, bool)
        beaten[worse] = True
        stays[worse[~beaten[better]]] = False
        open_ = stays[better] & stays[worse]
        better, worse = better[open_], worse[open_]
    return stays


def greedy(xywh: Floats, scores: Floats, threshold: float) -> Indices:
    """Indices kept of boxes (4, N) left, top, w, h, best first."""
    # OpenCV takes a list of boxes several times faster than an array of them.
    return np.array(cv2.dnn.NMSBoxes(xywh.T.tolist(), scores.tolist(), 0.0, threshold), np.int64)


def best_first(scores: Floats) -> Indices:
    """Indices by falling score, equal ones in the order given."""
    return (-scores).argsort(kind="stable")


def covariance(obb: Floats) -> tuple[Floats, Floats, Floats]:
    """Gaussian covariance terms a, b, c, (N,) each, of rotated boxes (5, N) cx, cy, w, h, radians."""
    w2, h2 = obb[2] ** 2 / 12, obb[3] ** 2 / 12
    cos, sin = np.cos(obb[4]), np.sin(obb[4])
    return w2 * cos**2 + h2 * sin**2, w2 * sin**2 + h2 * cos**2, (w2 - h2) * cos * sin


def probiou(boxes: Floats, others: Floats, eps: float = 1e-7) -> Floats:
    """Probabilistic IoU, (N,), of rotated boxes (5, N) with as many others, pair by pair.

    Formula: arXiv:2106.06072; ultralytics.utils.metrics.batch_probiou.
    """
    a1, b1, c1 = covariance(boxes)
    a2, b2, c2 = covariance(others)
    dx, dy = boxes[:2] - others[:2]
    a, b, c = a1 + a2, b1 + b2, c1 + c2
    det = a * b - c**2
    t1 = (a * dy**2 + b * dx**2) / (det + eps) * 0.25
    t2 = -(c * dx * dy) / (det + eps) * 0.5  # = c * (x2 - x1) * (y1 - y2) / det * 0.5
    dets = np.clip(a1 * b1 - c1**2, 0, None) * np.clip(a2 * b2 - c2**2, 0, None)
    t3 = 0.5 * np.log(det / (4 * np.sqrt(dets) + eps) + eps)
    distance = np.clip(t1 + t2 + t3, eps, 100.0)
    overlap: Floats = 1 - np.sqrt(1 - np.exp(-distance) + eps)
    return overlap


def rotated_nms(obb: Floats, scores: Floats, class_ids: Indices, threshold: float, limit: int) -> Indices:
    """Class-aware suppression by probabilistic IoU, as Ultralytics' (a box goes if any better one overlaps it).

    Args:
        obb: (5, N) float32 cx, cy, w, h, radians, in px.
        scores: (N,) float32.
        class_ids: (N,) int.
        threshold: overlap above which the weaker box goes.
        limit: how many to keep at most; nothing is compared once they are found.

    Returns:
        Indices kept, best first; equal scores in the order given.
    """
    order = best_first(scores)
    apart = obb[:, order]
    apart[:2] += class_ids[order].astype(np.float32) * CLASS_OFFSET
    x, y = apart[:2]
    reach = reach_of(threshold) * (apart[2] ** 2 + apart[3] ** 2)
    kept: list[int] = []
    for start in range(0, len(order), BLOCK_BOXES):
        end = min(start + BLOCK_BOXES, len(order))
        distance = (x[start:end] - x[:end, None]) ** 2
        distance += (y[start:end] - y[:end, None]) ** 2
        distance -= reach[start:end]
        better, worse = (distance <= reach[:end, None]).nonzero()
        worse += start
        earlier = better < worse
        better, worse = better[earlier], worse[earlier]
        free = np.ones(end - start, bool)
        free[worse[probiou(apart.take(better, 1), apart.take(worse, 1)) > threshold] - start] = False
        kept += (free.nonzero()[0] + start).tolist()
        if len(kept) >= limit:
            break
    return order[kept[:limit]]


def reach_of(threshold: float) -> np.float32:
    """What two boxes' w^2 + h^2 are multiplied with to bound the squared distance at which they can still overlap.

    The Bhattacharyya distance is at least |d|^2 / (4 (tr S1 + tr S2)), tr S = (w^2 + h^2) / 12, as a covariance's
    largest eigenvalue is at most its trace and the rest of the distance is not negative; an overlap above t needs a
    distance below -ln(1 - (1 - t)^2). One per cent is for rounding.
    """
    if threshold <= 0:
        return np.float32(np.inf)
    return np.float32(-np.log1p(-((1 - threshold) ** 2)) * 4 / 12 * 1.01 + 1e-6)
