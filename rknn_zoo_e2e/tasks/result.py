"""Detections of one picture, in source pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.vision import drawing
from rknn_zoo_e2e.vision.arrays import Floats, Indices, Pixels
from rknn_zoo_e2e.vision.masks import Mask
from rknn_zoo_e2e.vision.rotated import corners


@dataclass
class Result:
    """N detections, best score first.

    Attributes:
        spec: the model that made them.
        shape: source (height, width) in px.
        boxes: (N, 4) float32 xyxy in source px; of a rotated box the upright rectangle around it.
        scores: (N,) float32, 0..1.
        class_ids: (N,) int64.
        keypoints: (N, K, 2 or 3) float32 x, y in source px and visibility 0..1; pose only.
        masks: one a detection; segment only.
        obb: (N, 5) float32 cx, cy, w, h in source px and radians in [0, pi/2); obb only.
        ms: milliseconds by stage (pre, infer, post).
        retried: how the runtime failed before it was opened anew for this picture, "" if it did not.

    Example:
        >>> import numpy as np
        >>> from PIL import Image
        >>> from rknn_zoo_e2e import load
        >>> rgb = np.asarray(Image.open("sample.jpg"))
        >>> with load("shapes_rknn_model", backend="onnx") as predictor:
        ...     result = predictor(rgb)
        >>> len(result), result.label(0), result.boxes.shape
        (7, 'triangle', (7, 4))
        >>> result.draw(rgb).shape == rgb.shape
        True
    """

    spec: ModelSpec
    shape: tuple[int, int]
    boxes: Floats
    scores: Floats
    class_ids: Indices
    keypoints: Floats | None = None
    masks: list[Mask] | None = None
    obb: Floats | None = None
    ms: dict[str, float] = field(default_factory=dict)
    retried: str = ""

    def __len__(self) -> int:
        return len(self.scores)

    def label(self, index: int) -> str:
        """Class name of one detection."""
        return self.spec.names[int(self.class_ids[index])]

    def draw(self, image: Pixels) -> Pixels:
        """The source picture (h, w, 3) uint8 RGB with the detections drawn on a copy: masks lowest, labels on top."""
        canvas = image.copy()
        if self.masks is not None:
            drawing.masks(canvas, self.masks, self.class_ids)
        if self.keypoints is not None:
            drawing.skeletons(canvas, self.keypoints, self.spec.skeleton)
        if self.obb is None:
            places = self.boxes[:, :2]
            drawing.boxes(canvas, self.boxes, self.class_ids)
        else:
            outlines = corners(self.obb)
            places = drawing.topmost(outlines)
            drawing.outlines(canvas, outlines, self.class_ids)
        drawing.labels(canvas, places, [self.label(i) for i in range(len(self))], self.scores, self.class_ids)
        return canvas

    def to_dict(self) -> dict[str, Any]:
        """The ``detections`` and ``ms`` of the JSON document; a key is there only for its task."""
        detections = []
        for i in range(len(self)):
            one: dict[str, Any] = {
                "label": self.label(i),
                "class_id": int(self.class_ids[i]),
                "score": round(float(self.scores[i]), 4),
                "box": rounded(self.boxes[i], 2),
            }
            if self.keypoints is not None:
                one["keypoints"] = rounded(self.keypoints[i], 3)
            if self.masks is not None:
                one["polygons"] = [rounded(p, 1) for p in self.masks[i].polygons()]
            if self.obb is not None:
                one["obb"] = rounded(self.obb[i], 4)
            detections.append(one)
        return {"detections": detections, "ms": {k: round(v, 2) for k, v in self.ms.items()}}


def rounded(array: Floats, digits: int) -> list[Any]:
    """Nested lists of floats that print short (float32 would show its own noise)."""
    lists: list[Any] = array.astype(np.float64).round(digits).tolist()
    return lists
