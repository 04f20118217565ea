"""Upright boxes."""

from __future__ import annotations

import numpy as np

from rknn_zoo_e2e.tasks.base import Task
from rknn_zoo_e2e.tasks.result import Result
from rknn_zoo_e2e.vision import drawing


class DetectTask(Task):
    name, metric = "detect", "box"

    def draw(self, image: np.ndarray, result: Result) -> np.ndarray:
        return drawing.boxes(image.copy(), result)
