"""A video through the model."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator

from rknn_zoo_e2e.media.video import VideoReader
from rknn_zoo_e2e.runtime.ordered import in_order
from rknn_zoo_e2e.runtime.predictor import Predictor
from rknn_zoo_e2e.tasks.result import Result
from rknn_zoo_e2e.vision.arrays import Pixels


class Frames:
    """A video's results in order, and how fast they come."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=30)
        self._first = 0.0

    def of(self, predictor: Predictor, reader: VideoReader, draw: bool) -> Iterator[tuple[Result, Pixels]]:
        """Each frame's detections and the frame with them drawn (``draw``) or as it is."""

        def work(frame: Pixels) -> tuple[Result, Pixels]:
            result = predictor(frame)
            return result, result.draw(frame) if draw else frame

        for item in in_order(work, reader, predictor.threads):
            self._times.append(time.perf_counter())
            self._first = self._first or self._times[0]
            yield item

    @property
    def seconds(self) -> float:
        """From the first result to the last."""
        return self._times[-1] - self._first

    @property
    def fps(self) -> float:
        """Results a second over the last few; 0 before the second."""
        span = self._times[-1] - self._times[0] if self._times else 0.0
        return (len(self._times) - 1) / span if span > 0 else 0.0
