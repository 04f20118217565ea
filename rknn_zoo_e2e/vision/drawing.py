"""Drawing detections: rectangles, outlines, skeletons and masks by OpenCV, labels in any script by Pillow.

Pictures are (h, w, 3) uint8 RGB and are drawn on in place; colours go by class.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from rknn_zoo_e2e.vision.arrays import Floats, Indices, Pixels
from rknn_zoo_e2e.vision.masks import Mask

# Colours told apart on photographs, RGB (Ultralytics' palette, so that pictures look familiar).
PALETTE = [
    (4, 42, 255), (11, 219, 235), (243, 243, 243), (0, 223, 183), (17, 31, 104), (255, 111, 221), (255, 68, 79),
    (204, 237, 0), (0, 243, 68), (189, 0, 255), (0, 180, 255), (221, 0, 186), (0, 255, 255), (38, 192, 0),
    (1, 255, 179), (125, 36, 255), (123, 0, 104), (255, 27, 108), (252, 109, 47), (162, 255, 11),
]  # fmt: skip
MAX_DRAWN_COORDINATE = 1 << 20  # px; OpenCV takes no outline that goes much further beyond the picture
MAX_LABEL_LENGTH = 80  # letters of a class name that are drawn
MIN_VISIBILITY = 0.5  # key points less certain than this are not drawn


def colour(index: int) -> tuple[int, int, int]:
    """RGB of a class or key point."""
    return PALETTE[int(index) % len(PALETTE)]


def thickness(image: Pixels) -> int:
    """Line width in px that suits the picture."""
    return max(round(sum(image.shape[:2]) / 2 * 0.003), 2)


@lru_cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font: there on every machine."""
    return ImageFont.load_default(size)


def labels(canvas: Pixels, anchors: Floats, names: Sequence[str], scores: Floats, class_ids: Indices) -> None:
    """Class name and score beside each detection's anchor point (N, 2), px; none that would cover an earlier one's."""
    height, width = canvas.shape[:2]
    face = font(max(thickness(canvas) * 5, 11))
    taken: list[tuple[int, int, int, int]] = []
    for anchor, name, score, class_id in zip(anchors, names, scores, class_ids, strict=True):
        tile = tag(f"{name[:MAX_LABEL_LENGTH]} {score:.2f}", colour(class_id), face)
        left = int(min(max(anchor[0], 0), max(width - tile.shape[1], 0)))
        edge = int(min(max(anchor[1], 0), height))
        top = edge if edge < tile.shape[0] else edge - tile.shape[0]  # no room above: inside the box
        right, bottom = left + tile.shape[1], top + tile.shape[0]
        if any(left < t[2] and t[0] < right and top < t[3] and t[1] < bottom for t in taken):
            continue
        taken.append((left, top, right, bottom))
        place = canvas[top:bottom, left:right]
        place[:] = tile[: place.shape[0], : place.shape[1]]


@lru_cache(1024)
def tag(text: str, rgb: tuple[int, int, int], face: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> Pixels:
    """A label (h, w, 3) uint8 RGB: a line of text on its colour."""
    left, top, right, bottom = (int(v) for v in face.getbbox(text))
    picture = Image.new("RGB", (max(right - left, 1) + 7, max(bottom - top, 1) + 7), rgb)
    dark = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] < 140
    ImageDraw.Draw(picture).text((3 - left, 3 - top), text, font=face, fill="white" if dark else "black")
    return np.asarray(picture)


def boxes(canvas: Pixels, xyxy: Floats, class_ids: Indices) -> None:
    """Rectangles (N, 4) in px."""
    for box, class_id in zip(xyxy, class_ids, strict=True):
        x1, y1, x2, y2 = (int(v) for v in box.round())
        cv2.rectangle(canvas, (x1, y1), (x2, y2), colour(class_id), thickness(canvas), cv2.LINE_AA)


def outlines(canvas: Pixels, polygons: Floats, class_ids: Indices) -> None:
    """Closed outlines (N, P, 2) in px."""
    for polygon, class_id in zip(polygons, class_ids, strict=True):
        points = polygon.round().clip(-MAX_DRAWN_COORDINATE, MAX_DRAWN_COORDINATE).astype(np.int32)
        cv2.polylines(canvas, [points], True, colour(class_id), thickness(canvas), cv2.LINE_AA)


def topmost(polygons: Floats) -> Floats:
    """The corner (N, 2) of each outline (N, P, 2) that is highest in the picture."""
    top: Floats = polygons[np.arange(len(polygons)), polygons[..., 1].argmin(1)]
    return top


def skeletons(canvas: Pixels, keypoints: Floats, skeleton: Iterable[tuple[int, int]]) -> None:
    """Key points (N, K, 2 or 3) x, y in px and visibility 0..1, and the lines that join the pairs of ``skeleton``."""
    width = thickness(canvas)
    for points in keypoints:
        seen = points[:, 2] > MIN_VISIBILITY if points.shape[1] == 3 else np.ones(len(points), bool)
        xy = points[:, :2].round().astype(int)
        for a, b in skeleton:
            if seen[a] and seen[b]:
                cv2.line(canvas, tuple(map(int, xy[a])), tuple(map(int, xy[b])), colour(b + 9), width, cv2.LINE_AA)
        for index in np.flatnonzero(seen):
            cv2.circle(canvas, tuple(map(int, xy[index])), width + 2, colour(index), -1, cv2.LINE_AA)


def masks(canvas: Pixels, crops: Sequence[Mask], class_ids: Indices, opacity: float = 0.5) -> None:
    """Masks filled half transparent."""
    for mask, class_id in zip(crops, class_ids, strict=True):
        height, width = mask.crop.shape
        region = canvas[mask.top : mask.top + height, mask.left : mask.left + width]
        region[mask.crop] = region[mask.crop] * (1 - opacity) + np.array(colour(class_id)) * opacity
