"""Upright boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rknn_zoo_e2e.tasks.base import Task
from rknn_zoo_e2e.tasks.result import Result
from rknn_zoo_e2e.vision import drawing

if TYPE_CHECKING:
    from rknn_zoo_e2e.heads.detect import DetectTail


class DetectTask(Task):
    name, metric = "detect", "box"

    @classmethod
    def tail(cls) -> type[DetectTail]:
        from rknn_zoo_e2e.heads.detect import DetectTail

        return DetectTail

    def draw(self, image: np.ndarray, result: Result) -> np.ndarray:
        return drawing.boxes(image.copy(), result)
