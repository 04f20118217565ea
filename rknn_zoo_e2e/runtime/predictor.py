"""A loaded model: pictures to detections."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from rknn_zoo_e2e.bundle.model import Artifact
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.runtime.base import Runtime, RuntimeGone
from rknn_zoo_e2e.runtime.ordered import in_order
from rknn_zoo_e2e.runtime.pool import Pool
from rknn_zoo_e2e.tasks.base import Thresholds
from rknn_zoo_e2e.tasks.registry import task_of
from rknn_zoo_e2e.tasks.result import Result
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.vision.arrays import Floats, Pixels
from rknn_zoo_e2e.vision.image import read_image
from rknn_zoo_e2e.vision.letterbox import Letterbox

SPARE_THREADS = 2  # threads beside one a context: they letterbox, decode and draw while the contexts are busy


class Predictor:
    """A loaded model. Call it with a picture; close it, or use it in a ``with`` block, to let its process go.

    Attributes:
        spec: what the model is.
        thresholds: post-processing arguments.
        artifact: of the bundle it came from, None for a checkpoint.

    Args:
        pool: what runs it.
        one_thread: whether BLAS uses one thread (:attr:`~rknn_zoo_e2e.tasks.base.Task.one_thread`).

    Raises:
        UsageError: the model has no such class; the pool is closed then.

    Example:
        >>> from rknn_zoo_e2e import load
        >>> with load("shapes_rknn_model", backend="onnx", cores=2) as predictor:
        ...     one = predictor("sample.jpg")
        ...     many = list(predictor.map(["sample.jpg"] * 4))  # two at a time, results in order
        >>> [len(result) == len(one) for result in many]
        [True, True, True, True]
    """

    def __init__(
        self,
        spec: ModelSpec,
        pool: Pool[Runtime],
        thresholds: Thresholds,
        artifact: Artifact | None = None,
        one_thread: bool = False,
    ) -> None:
        self.spec, self.thresholds, self.artifact = spec, thresholds, artifact
        self._pool, self.task = pool, task_of(spec)
        self.task.one_thread = one_thread
        if thresholds.classes is not None:
            try:
                self.thresholds = replace(thresholds, classes=spec.class_ids(thresholds.classes))
            except UserError:
                pool.close()
                raise

    @property
    def backend(self) -> str:
        """Which kind of runtime it is."""
        return self._pool.backend

    @property
    def contexts(self) -> int:
        """How many pictures it infers side by side: NPU cores, or copies of the runtime."""
        return self._pool.size

    @property
    def threads(self) -> int:
        """How many threads calling it keep all of its contexts busy."""
        return self.contexts + SPARE_THREADS

    def __call__(self, image: Pixels | str | Path) -> Result:
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

    def _ask(self, rgb: Pixels) -> tuple[list[Floats], float, str]:
        """The raw outputs, the milliseconds they took, and how the runtime failed before, "" if it did not."""
        failure = ""
        for left in reversed(range(1 + self.contexts)):  # all may have failed at once, and the next one is new
            try:
                with self._pool.lend() as runtime:
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

    def map(self, images: Iterable[Pixels | str | Path]) -> Iterator[Result]:
        """Detections of many pictures, in their order, all cores busy; each as by a call."""
        return in_order(self, images, self.threads)

    def infer(self, rgb: Pixels) -> list[Floats]:
        """The raw outputs for a letterboxed picture (H, W, 3) uint8 RGB; fails as a call does."""
        return self._ask(rgb)[0]

    def infer_on(self, context: int, rgb: Pixels) -> list[Floats]:
        """As :meth:`infer`, on one context (from 0) and with nothing checked or tried again: to measure it alone.

        Nothing else may use this predictor meanwhile.
        """
        return self._pool.runtime(context).infer(rgb)

    def decode(self, outputs: list[Floats], letterbox: Letterbox) -> Result:
        """Raw outputs to detections in source px. Raises :class:`UserError` where they mean nothing."""
        try:
            return self.task.decode(outputs, letterbox, self.thresholds)
        except FloatingPointError as error:
            raise UserError(
                f"The {self.backend} gave {error}.",
                "Verify the model with: e2erknn inspect; try --precision fp16.",
            ) from error

    def close(self) -> None:
        """Lets the runtime go, with its processes and devices."""
        self._pool.close()

    def __enter__(self) -> Predictor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def elapsed(start: float) -> float:
    """Milliseconds since ``time.perf_counter()`` gave ``start``."""
    return (time.perf_counter() - start) * 1000
