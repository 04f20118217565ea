"""Letterbox: scaling a picture into the model's input with its proportions kept, and back."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from rknn_zoo_e2e.vision.arrays import Floats, Pixels

PAD_VALUE = 114  # Ultralytics' grey


@dataclass(frozen=True)
class Letterbox:
    """Where a source picture lies in the model's input (ultralytics.data.augment.LetterBox with ``auto=False``).

    Attributes:
        source: source (height, width) in px.
        imgsz: input (height, width) in px.
        inner: (height, width) in input px that the picture fills.
        left, top: padding before the picture, input px.
    """

    source: tuple[int, int]
    imgsz: tuple[int, int]
    inner: tuple[int, int]
    left: int
    top: int

    @classmethod
    def fit(cls, source: tuple[int, int], imgsz: tuple[int, int]) -> Letterbox:
        """Centred."""
        gain = min(imgsz[0] / source[0], imgsz[1] / source[1])
        inner = max(1, round(source[0] * gain)), max(1, round(source[1] * gain))
        # -0.1 sends an odd pixel of padding to the right and the bottom, as Ultralytics does
        top, left = round((imgsz[0] - inner[0]) / 2 - 0.1), round((imgsz[1] - inner[1]) / 2 - 0.1)
        return cls(source, imgsz, inner, left, top)

    @property
    def gains(self) -> tuple[float, float]:
        """Input px per source px in x and y; rounding to whole px makes them differ a little."""
        return self.inner[1] / self.source[1], self.inner[0] / self.source[0]

    @property
    def gain(self) -> Floats:
        """The same, (2,) float32."""
        return np.array(self.gains, np.float32)

    @classmethod
    def of(cls, rgb: Pixels, imgsz: tuple[int, int]) -> Letterbox:
        """For a picture (h, w, 3)."""
        return cls.fit((rgb.shape[0], rgb.shape[1]), imgsz)

    def apply(self, rgb: Pixels) -> Pixels:
        """Source picture (h, w, 3) uint8 to the input (H, W, 3) uint8."""
        height, width = self.inner
        if (height, width) != rgb.shape[:2]:
            rgb = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_LINEAR)
        out = np.full((*self.imgsz, 3), PAD_VALUE, np.uint8)
        out[self.top : self.top + height, self.left : self.left + width] = rgb
        return out

    def points(self, xy: Floats) -> Floats:
        """Points (..., 2) in input px to source px, not clipped."""
        moved: Floats = xy - np.array([self.left, self.top], np.float32)
        return moved / self.gain

    def boxes(self, xyxy: Floats) -> Floats:
        """Boxes (N, 4) in input px to source px, clipped to the picture."""
        corner, size = (self.left, self.top), self.source[::-1]
        start, scale, limit = np.array([corner + corner, self.gains + self.gains, size + size], np.float32)
        return clip((xyxy - start) / scale, limit)

    def clip(self, xyxy: Floats) -> Floats:
        """Boxes (N, 4) in source px, clipped to the picture."""
        return clip(xyxy, np.array(self.source[::-1] * 2, xyxy.dtype))


def clip(values: Floats, limit: Floats) -> Floats:
    """From 0 to the limit."""
    return np.minimum(np.maximum(values, np.float32(0)), limit)
