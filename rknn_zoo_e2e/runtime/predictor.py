"""A loaded model: pictures to detections."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from rknn_zoo_e2e.bundle.model import Artifact
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.runtime.base import RuntimeGone
from rknn_zoo_e2e.runtime.pool import Pool
from rknn_zoo_e2e.tasks.base import Thresholds
from rknn_zoo_e2e.tasks.registry import task_of
from rknn_zoo_e2e.tasks.result import Result
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.vision.image import read_image
from rknn_zoo_e2e.vision.letterbox import Letterbox


class Predictor:
    """A loaded model. Call it with a picture; close it, or use it in a ``with`` block, to let its process go.

    Attributes:
        spec: what the model is.
        pool: what runs it.
        thresholds: post-processing arguments.
        artifact: of the bundle it came from, None for a checkpoint.
    """

    def __init__(self, spec: ModelSpec, pool: Pool, thresholds: Thresholds, artifact: Artifact | None = None) -> None:
        self.spec, self.pool, self.thresholds, self.artifact = spec, pool, thresholds, artifact
        self.task = task_of(spec)
        if thresholds.classes is not None:
            self.thresholds = replace(thresholds, classes=spec.class_ids(thresholds.classes))

    @property
    def backend(self) -> str:
        """Which kind of runtime it is."""
        return self.pool.backend

    def __call__(self, image: np.ndarray | str | Path) -> Result:
        """Detections in a picture; may be called by several threads at once.

        A runtime that fails is opened anew, and the picture run again; the result says so.

        Args:
            image: (h, w, 3) uint8 RGB, or a file.

        Raises:
            ValueError: an array that is no picture.
            RuntimeGone: the runtime fails over and over.
            UserError: the file is not a readable picture, the runtime failed on it again, or its values mean nothing.
        """
        if not isinstance(image, np.ndarray):
            image = read_image(Path(image))
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise ValueError(f"an image is (h, w, 3) uint8 RGB, not {image.shape} {image.dtype}")
        start = time.perf_counter()
        letterbox = Letterbox.of(image, self.spec.imgsz)
        rgb = letterbox.apply(image)
        ms = {"pre": elapsed(start)}
        outputs, ms["infer"], failure = self._ask(rgb)
        start = time.perf_counter()
        result = self.decode(outputs, letterbox)
        result.ms, result.retried = ms | {"post": elapsed(start)}, failure
        return result

    def _ask(self, rgb: np.ndarray) -> tuple[list[np.ndarray], float, str]:
        """The raw outputs, the milliseconds they took, and how the runtime failed before, "" if it did not."""
        failure = ""
        for left in reversed(range(1 + self.pool.size)):  # all may have failed at once, and the next one is new
            try:
                with self.pool.lend() as runtime:
                    start = time.perf_counter()
                    outputs, spent = runtime.infer(rgb), elapsed(start)
                break
            except RuntimeGone:
                raise
            except UserError as error:
                if not left:
                    raise
                failure = failure or error.what
        try:
            self.task.check(outputs)
        except ValueError as error:
            raise UserError(
                f"What the {self.backend} gave does not fit {self.spec.name}: {error}.",
                "The bundle's metadata.yaml is not its model's: copy it again, or build it with: e2erknn convert",
            ) from error
        return outputs, spent, failure

    def map(self, images: Iterable[np.ndarray | str | Path]) -> Iterator[Result]:
        """Detections of many pictures, in their order, all cores busy; each as by a call."""
        return self.pool.in_order(self, images)

    def infer(self, rgb: np.ndarray) -> list[np.ndarray]:
        """The raw outputs for a letterboxed picture (H, W, 3) uint8 RGB; fails as a call does."""
        return self._ask(rgb)[0]

    def decode(self, outputs: list[np.ndarray], letterbox: Letterbox) -> Result:
        """Raw outputs to detections in source px. Raises :class:`UserError` where they mean nothing."""
        try:
            return self.task.decode(outputs, letterbox, self.thresholds)
        except FloatingPointError as error:
            raise UserError(
                f"The {self.backend} gave {error}.",
                "Verify the model with: e2erknn inspect; try --precision fp16.",
            ) from error

    def close(self) -> None:
        self.pool.close()

    def __enter__(self) -> Predictor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def elapsed(start: float) -> float:
    """Milliseconds since ``time.perf_counter()`` gave ``start``."""
    return (time.perf_counter() - start) * 1000
