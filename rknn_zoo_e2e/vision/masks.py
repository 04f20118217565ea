"""Instance masks: coefficients and prototypes to bitmaps of the source picture, cropped before they are enlarged."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from rknn_zoo_e2e.vision.arrays import Flags, Floats
from rknn_zoo_e2e.vision.letterbox import Letterbox
from rknn_zoo_e2e.vision.tensors import Raw, finite, real


@dataclass(frozen=True)
class Mask:
    """One instance's mask, kept as the crop inside its box.

    Attributes:
        left, top: of the crop in the source picture, px.
        crop: (h, w) bool.
    """

    left: int
    top: int
    crop: Flags

    def full(self, height: int, width: int) -> Flags:
        """(height, width) bool over the whole source picture."""
        out = np.zeros((height, width), bool)
        out[self.top : self.top + self.crop.shape[0], self.left : self.left + self.crop.shape[1]] = self.crop
        return out

    def polygons(self) -> list[Floats]:
        """Outlines of its parts, each (N, 2) float32 in source px, largest first; parts under three points left out."""
        contours, _ = cv2.findContours(self.crop.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        parts = sorted((c[:, 0] for c in contours if len(c) > 2), key=cv2.contourArea, reverse=True)
        return [(p + np.array([self.left, self.top])).astype(np.float32) for p in parts]


def instance_masks(protos: Raw, coefficients: Floats, boxes: Floats, letterbox: Letterbox) -> list[Mask]:
    """Masks of the instances at source resolution.

    Args:
        protos: (K, h, w) prototypes over the model's input.
        coefficients: (N, K).
        boxes: (N, 4) xyxy in source px, inside the picture.
        letterbox: of this picture.

    Returns:
        One mask a box: logit above 0, bilinear between prototype cells (ultralytics.utils.ops.process_mask_native).

    Raises:
        FloatingPointError: a mask depends on a value that is not a finite number.
    """
    per_cell = letterbox.imgsz[1] / protos.shape[2]  # input px per prototype cell
    scale = letterbox.gain.astype(np.float64) / per_cell  # prototype cells per source px, in x and y
    # Centre of source pixel X lies at ((X + 0.5) * gain + pad) / per_cell - 0.5 in prototype cells.
    offset = np.array([letterbox.left, letterbox.top]) / per_cell + 0.5 * scale - 0.5
    last = np.array([letterbox.source[1] - 1, letterbox.source[0] - 1])  # a box in the padding may begin after it
    masks = []
    for box, weights in zip(boxes, coefficients, strict=True):
        left, top = np.minimum(np.floor(box[:2]).astype(int), last)
        right, bottom = np.maximum(np.ceil(box[2:]).astype(int), (left + 1, top + 1))
        low = np.floor(np.array([left, top]) * scale + offset).astype(int).clip(0)
        high = np.ceil(np.array([right, bottom]) * scale + offset).astype(int) + 1
        x0, y0 = np.minimum(low, (protos.shape[2] - 1, protos.shape[1] - 1))
        region = real(protos[:, y0 : high[1] + 1, x0 : high[0] + 1])
        logits = finite(weights @ region.reshape(len(region), -1)).reshape(region.shape[1:])
        start = np.array([left, top]) * scale + offset - (x0, y0)
        matrix = np.array([[scale[0], 0, start[0]], [0, scale[1], start[1]]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = (int(right - left), int(bottom - top))
        warped = cv2.warpAffine(logits, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        # A pixel belongs to the box if its corner does (ultralytics.utils.ops.crop_mask).
        x, y = np.arange(left, right), np.arange(top, bottom)
        inside = ((y >= box[1]) & (y < box[3]))[:, None] & ((x >= box[0]) & (x < box[2]))[None]
        masks.append(Mask(int(left), int(top), (warped > 0) & inside))
    return masks
