"""Synthetic scenes of simple shapes, with exact ground truth for boxes, outlines, rotated boxes and key points.

The starter models are trained and calibrated with these pictures, so that every step can be tried offline and without
a data set whose licence has to be minded. Coordinates are pixels, x to the right, y down; the centre of the top left
pixel is (0, 0).
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import cv2
import numpy as np

from rknn_zoo_e2e.vision.arrays import Floats, Pixels

# Every class is longer than wide, so that the direction of its rotated box is well defined.
NAMES: tuple[str, ...] = ("triangle", "rectangle", "ellipse", "cross", "arrow")
POSE_NAMES: tuple[str, ...] = ("figure",)
# "left" is the left side of the picture when the figure stands upright, as if it were seen from behind.
KEYPOINTS: tuple[str, ...] = ("head", "neck", "left_hand", "right_hand", "hip", "left_foot", "right_foot")
KPT_SHAPE: tuple[int, int] = (len(KEYPOINTS), 3)
SKELETON: tuple[tuple[int, int], ...] = ((0, 1), (1, 2), (1, 3), (1, 4), (4, 5), (4, 6))
FLIP_IDX: tuple[int, ...] = (0, 1, 3, 2, 4, 6, 5)  # the order of the key points in a mirrored picture

# Longest side of a shape as a fraction of the shorter side of the picture. Figures are thin, so they start larger.
_SIZES, _POSE_SIZES = (0.08, 0.5), (0.2, 0.55)
_MAX_COVER = 0.08  # of the smaller of two upright boxes
_MIN_CONTRAST = 110.0  # Euclidean distance in RGB, 0 to 441


@dataclass(frozen=True)
class Shape:
    """One drawn shape and its ground truth; parts that another shape covers are included.

    Attributes:
        class_id: index into `NAMES`, or into `POSE_NAMES` for a pose scene.
        polygon: (N, 2) float32, outline, px.
        box: (4,) float32, upright box x1, y1, x2, y2 around the outline, px.
        corners: (4, 2) float32, rotated box, px, clockwise from the top left corner of the unrotated shape.
        keypoints: (K, 3) float32 of x px, y px and 2 = visible or 1 = covered by another shape; None if not a figure.
    """

    class_id: int
    polygon: Floats
    box: Floats
    corners: Floats
    keypoints: Floats | None = None


def _outline(rng: np.random.Generator, name: str) -> Floats:
    """(N, 2) outline of a class of `NAMES`: upright, centred on (0, 0) and 1 high."""
    a = rng.uniform(0.45, 0.75) / 2  # half the width
    if name == "triangle":
        points = [(0, -0.5), (a, 0.5), (-a, 0.5)]
    elif name == "rectangle":
        points = [(-a, -0.5), (a, -0.5), (a, 0.5), (-a, 0.5)]
    elif name == "ellipse":
        points = [(a * np.sin(t), -np.cos(t) / 2) for t in np.linspace(0, 2 * np.pi, 48, endpoint=False)]
    elif name == "cross":
        a, k = a + 0.04, rng.uniform(0.09, 0.12)
        half = [(k, -0.5), (k, -k), (a, -k), (a, k), (k, k), (k, 0.5)]
        points = half + [(-x, -y) for x, y in half]
    else:  # arrow, pointing up
        k, y = a * rng.uniform(0.3, 0.45), rng.uniform(-0.1, 0.0)
        points = [(0, -0.5), (a, y), (k, y), (k, 0.5), (-k, 0.5), (-k, y), (-a, y)]
    return np.array(points, np.float32)


def _figure(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """An upright stick figure: outline (N, 2) and key points (K, 2), centred on (0, 0), the longer side being 1."""
    head, neck, hip = np.array([[0.0, -0.36], [0.0, -0.2], [0.0, 0.12]])
    # Angles from straight down, degrees; the arms stay clear of the head so that the outline has no holes.
    arms, legs = rng.uniform(35, 135, 2), rng.uniform(12, 42, 2)
    hands, feet = (
        start + length * np.array([[-np.sin(left), np.cos(left)], [np.sin(right), np.cos(right)]])
        for start, length, (left, right) in ((neck, 0.34, np.deg2rad(arms)), (hip, 0.4, np.deg2rad(legs)))
    )
    points = np.stack([head, neck, *hands, hip, *feet])
    # Draw it large and trace it: the simplest way to the outline of a union of thick lines.
    side, width = 512, int(rng.integers(34, 52))
    pixels = np.rint((points * 0.8 + 0.5) * side).astype(int)
    mask = np.zeros((side, side), np.uint8)
    for i, j in SKELETON:
        cv2.line(mask, pixels[i].tolist(), pixels[j].tolist(), (255,), width)
    cv2.circle(mask, pixels[0].tolist(), int(rng.integers(46, 58)), (255,), -1)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = cv2.approxPolyDP(max(contours, key=cv2.contourArea), 1.0, True)[:, 0].astype(np.float64)
    low, high = outline.min(0), outline.max(0)
    centre, scale = (low + high) / 2, (high - low).max()
    return ((outline - centre) / scale).astype(np.float32), ((pixels - centre) / scale).astype(np.float32)


def _background(rng: np.random.Generator, h: int, w: int) -> Floats:
    """(h, w, 3) float32 RGB 0..255: a gradient with a soft texture, faint blobs and thin lines."""
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    base, angle = rng.uniform(50, 215) + rng.uniform(-40, 40, 3), rng.uniform(0, 2 * np.pi)
    ramp = np.cos(angle) * (x / w - 0.5) + np.sin(angle) * (y / h - 0.5)
    picture = (base + ramp[..., None] * rng.uniform(-50, 50, 3)).astype(np.float32)
    for cells in (5, 24):  # slow and fine texture
        grid = rng.normal(0, rng.uniform(0.5, 6), (cells, cells, 3)).astype(np.float32)
        picture += cv2.resize(grid, (w, h), interpolation=cv2.INTER_CUBIC)
    for _ in range(int(rng.integers(0, 6))):
        (cx, cy), (a, b) = rng.uniform(0, 1, 2) * (w, h), rng.uniform(0.05, 0.25, 2) * min(h, w)
        blob = np.exp(-((((x - cx) / a) ** 2 + ((y - cy) / b) ** 2) ** 2))  # flatter than a Gaussian bell
        picture += (blob[..., None] * rng.uniform(-28, 28, 3)).astype(np.float32)
    for _ in range(int(rng.integers(0, 8))):
        line = np.zeros((h, w), np.uint8)
        (x0, y0), (x1, y1) = (rng.uniform(-0.1, 1.1, (2, 2)) * (w, h)).astype(int).tolist()
        cv2.line(line, (x0, y0), (x1, y1), (255,), int(rng.integers(1, 4)), cv2.LINE_AA)
        picture[line > 0] += line[line > 0, None] / np.float32(255) * rng.uniform(-45, 45, 3).astype(np.float32)
    clipped: Floats = np.clip(picture, 0, 255)
    return clipped


def _mask(polygon: Floats, h: int, w: int) -> Floats:
    """(h, w, 1) float32 0..1 coverage of a polygon in px, with soft edges."""
    mask = np.zeros((h, w), np.uint8)
    cv2.fillPoly(mask, [np.rint(polygon * 16).astype(np.int32)], (255,), cv2.LINE_AA, shift=4)
    return (mask[..., None] / 255).astype(np.float32)


def _paint(rng: np.random.Generator, scene: Floats, outline: Floats) -> None:
    """Fill the outline (N, 2) px in the (h, w, 3) float32 scene, in a colour that stands out from what is there."""
    # Only a window around the shape is touched: whole pictures would be ten times slower.
    x0, y0 = np.maximum(outline.min(0).astype(int) - 14, 0).tolist()
    x1, y1 = (outline.max(0).astype(int) + 15).tolist()
    picture, polygon = scene[y0:y1, x0:x1], outline - np.array([x0, y0], np.float32)
    h, w = picture.shape[:2]
    mask = _mask(polygon, h, w)
    tried = np.array([colorsys.hsv_to_rgb(*rng.uniform((0, 0.3, 0.3), 1)) for _ in range(24)]) * 255
    contrast = np.linalg.norm(tried - picture[mask[..., 0] > 0.5].mean(0), axis=1)
    # The first colour with enough contrast; if none has it, then the best.
    colour = tried[np.argmax(contrast >= _MIN_CONTRAST) if contrast.max() >= _MIN_CONTRAST else contrast.argmax()]
    if rng.uniform() < 0.5:  # a soft shadow
        shadow = _mask(polygon + rng.uniform(-4, 4, 2).astype(np.float32), h, w)
        picture *= 1 - np.float32(0.35) * np.asarray(cv2.GaussianBlur(shadow, (0, 0), 3))[..., None]
    angle, (y, x) = rng.uniform(0, 2 * np.pi), np.mgrid[0:h, 0:w]
    slope = (np.cos(angle) * (x - w / 2) + np.sin(angle) * (y - h / 2)) / max(h, w)
    shade = 1 + rng.uniform(0, 0.35) * slope[..., None]
    picture[:] = picture * (1 - mask) + np.clip(colour * shade, 0, 255) * mask


def _place(rng: np.random.Generator, class_id: int, h: int, w: int, pose: bool) -> Shape:
    """A shape of random size, direction and place, wholly inside an (h, w) picture."""
    local, *points = _figure(rng) if pose else (_outline(rng, NAMES[class_id]),)
    low, high = _POSE_SIZES if pose else _SIZES
    size = low * (high / low) ** rng.uniform() * min(h, w)  # log-uniform: as many small ones as large ones
    angle = np.deg2rad(rng.uniform(-50, 50) if pose else rng.uniform(0, 360))
    turn = size * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    x, y = np.ptp(local, 0) / 2
    parts = [part @ turn for part in (local, np.array([(-x, -y), (x, -y), (x, y), (-x, y)]), *points)]
    # The rotated box may reach outside the outline, and it has to be inside the picture too.
    reach = np.concatenate(parts)
    centre = rng.uniform(2 - reach.min(0), np.array([w - 3, h - 3]) - reach.max(0))
    polygon, corners, *rest = [(part + centre).astype(np.float32) for part in parts]
    keypoints = np.concatenate([rest[0], np.full((len(rest[0]), 1), 2, np.float32)], 1) if rest else None
    return Shape(class_id, polygon, np.concatenate([polygon.min(0), polygon.max(0)]), corners, keypoints)


def _cover(a: Floats, b: Floats) -> float:
    """Intersection of two boxes (4,) px over the area of the smaller one."""
    sides = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    return float(sides.prod() / min((a[2:] - a[:2]).prod(), (b[2:] - b[:2]).prod()))


def draw_scene(seed: int, size: tuple[int, int] = (320, 320), pose: bool = False) -> tuple[Pixels, list[Shape]]:
    """Draw a scene: the same seed, size and kind always give the same picture.

    Args:
        seed: any non-negative integer.
        size: height and width, px; at least 64 each.
        pose: draw 1 to 5 figures with key points instead of 1 to 8 shapes of `NAMES`.

    Returns: the picture, (h, w, 3) uint8 RGB, and its shapes, from the lowest to the topmost.
    """
    h, w = size
    rng, shapes = np.random.default_rng([seed, int(pose)]), list[Shape]()
    picture = _background(rng, h, w)
    wanted = int(rng.integers(1, 6 if pose else 9))
    for _ in range(12 * wanted):
        shape = _place(rng, 0 if pose else int(rng.integers(len(NAMES))), h, w, pose)
        if all(_cover(shape.box, other.box) <= _MAX_COVER for other in shapes):
            _paint(rng, picture, shape.polygon)
            shapes.append(shape)
        if len(shapes) == wanted:
            break
    for i, shape in enumerate(shapes):
        for point in shape.keypoints if shape.keypoints is not None else ():
            if any(cv2.pointPolygonTest(other.polygon, point[:2].tolist(), False) > 0 for other in shapes[i + 1 :]):
                point[2] = 1
    # What a camera adds: light, blur and noise.
    picture = picture * np.float32(rng.uniform(0.8, 1.15)) + np.float32(rng.uniform(-12, 12))
    if rng.uniform() < 0.4:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.1)), np.float32)
    picture += np.float32(rng.uniform(0, 7)) * rng.standard_normal(picture.shape, np.float32)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8), shapes
