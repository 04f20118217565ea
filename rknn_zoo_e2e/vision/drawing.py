"""Drawing detections: rectangles, outlines, skeletons and masks by OpenCV, labels in any script by Pillow."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from rknn_zoo_e2e.tasks.result import Result

# Colours told apart on photographs, RGB (Ultralytics' palette, so that pictures look familiar).
PALETTE = [
    (4, 42, 255), (11, 219, 235), (243, 243, 243), (0, 223, 183), (17, 31, 104), (255, 111, 221), (255, 68, 79),
    (204, 237, 0), (0, 243, 68), (189, 0, 255), (0, 180, 255), (221, 0, 186), (0, 255, 255), (38, 192, 0),
    (1, 255, 179), (125, 36, 255), (123, 0, 104), (255, 27, 108), (252, 109, 47), (162, 255, 11),
]  # fmt: skip
FAR = 1 << 20  # px; OpenCV takes no outline that goes much further beyond the picture
LONGEST = 80  # letters of a class name that are drawn
VISIBLE = 0.5  # key points less certain than this are not drawn


def colour(index: int) -> tuple[int, int, int]:
    """RGB of a class or key point."""
    return PALETTE[int(index) % len(PALETTE)]


def thickness(image: np.ndarray) -> int:
    """Line width in px that suits the picture."""
    return max(round(sum(image.shape[:2]) / 2 * 0.003), 2)


@lru_cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font: there on every machine."""
    return ImageFont.load_default(size)


def labels(canvas: np.ndarray, result: Result, anchors: np.ndarray) -> np.ndarray:
    """Class and score beside each detection's anchor point (N, 2), px; none that would cover a better one's."""
    height, width = canvas.shape[:2]
    face = font(max(thickness(canvas) * 5, 11))
    taken: list[tuple[int, int, int, int]] = []
    for i in range(len(result)):
        tile = tag(f"{result.label(i)[:LONGEST]} {result.scores[i]:.2f}", colour(result.class_ids[i]), face)
        left = int(min(max(anchors[i, 0], 0), max(width - tile.shape[1], 0)))
        edge = int(min(max(anchors[i, 1], 0), height))
        top = edge if edge < tile.shape[0] else edge - tile.shape[0]  # no room above: inside the box
        right, bottom = left + tile.shape[1], top + tile.shape[0]
        if any(left < t[2] and t[0] < right and top < t[3] and t[1] < bottom for t in taken):
            continue
        taken.append((left, top, right, bottom))
        place = canvas[top:bottom, left:right]
        place[:] = tile[: place.shape[0], : place.shape[1]]
    return canvas


@lru_cache(1024)
def tag(text: str, rgb: tuple[int, int, int], face: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> np.ndarray:
    """A label (h, w, 3) uint8 RGB: a line of text on its colour."""
    left, top, right, bottom = (int(v) for v in face.getbbox(text))
    picture = Image.new("RGB", (max(right - left, 1) + 7, max(bottom - top, 1) + 7), rgb)
    dark = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] < 140
    ImageDraw.Draw(picture).text((3 - left, 3 - top), text, font=face, fill="white" if dark else "black")
    return np.asarray(picture)


def boxes(canvas: np.ndarray, result: Result) -> np.ndarray:
    """Rectangles and labels."""
    for box, class_id in zip(result.boxes, result.class_ids, strict=True):
        x1, y1, x2, y2 = (int(v) for v in box.round())
        cv2.rectangle(canvas, (x1, y1), (x2, y2), colour(class_id), thickness(canvas), cv2.LINE_AA)
    return labels(canvas, result, result.boxes[:, :2])


def outlines(canvas: np.ndarray, result: Result, polygons: np.ndarray) -> np.ndarray:
    """Closed outlines (N, P, 2) in px and labels at their topmost corners."""
    for polygon, class_id in zip(polygons, result.class_ids, strict=True):
        points = polygon.round().clip(-FAR, FAR).astype(np.int32)
        cv2.polylines(canvas, [points], True, colour(class_id), thickness(canvas), cv2.LINE_AA)
    if not len(polygons):
        return canvas
    topmost = polygons[np.arange(len(polygons)), polygons[..., 1].argmin(1)]
    return labels(canvas, result, topmost)


def skeletons(canvas: np.ndarray, result: Result) -> np.ndarray:
    """Key points and the lines that join them."""
    assert result.keypoints is not None
    width = thickness(canvas)
    for points in result.keypoints:
        seen = points[:, 2] > VISIBLE if points.shape[1] == 3 else np.ones(len(points), bool)
        xy = points[:, :2].round().astype(int)
        for a, b in result.spec.skeleton:
            if seen[a] and seen[b]:
                cv2.line(canvas, tuple(map(int, xy[a])), tuple(map(int, xy[b])), colour(b + 9), width, cv2.LINE_AA)
        for index in np.flatnonzero(seen):
            cv2.circle(canvas, tuple(map(int, xy[index])), width + 2, colour(index), -1, cv2.LINE_AA)
    return canvas


def masks(canvas: np.ndarray, result: Result, opacity: float = 0.5) -> np.ndarray:
    """Masks filled half transparent."""
    assert result.masks is not None
    for mask, class_id in zip(result.masks, result.class_ids, strict=True):
        height, width = mask.crop.shape
        region = canvas[mask.top : mask.top + height, mask.left : mask.left + width]
        region[mask.crop] = region[mask.crop] * (1 - opacity) + np.array(colour(class_id)) * opacity
    return canvas
