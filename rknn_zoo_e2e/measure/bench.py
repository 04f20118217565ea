"""Where the time goes between a picture's file and the drawn result, stage by stage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from rknn_zoo_e2e.bundle.measurement import STAGES
from rknn_zoo_e2e.progress import Progress
from rknn_zoo_e2e.runtime.predictor import Predictor, elapsed
from rknn_zoo_e2e.runtime.registry import BACKENDS
from rknn_zoo_e2e.vision.arrays import Floats, Pixels
from rknn_zoo_e2e.vision.image import Fetched, read_image
from rknn_zoo_e2e.vision.letterbox import Letterbox


def nothing() -> None:
    """Looks at nothing."""


class Clock:
    """Milliseconds by stage, one entry a run."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = {stage: [] for stage in STAGES}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Takes the time of the block for a stage."""
        start = time.perf_counter()
        yield
        self.spent[name].append(elapsed(start))


def bench(
    predictor: Predictor,
    pictures: Sequence[Path | Fetched],
    runs: int,
    warmup: int,
    progress: Progress,
    look: Callable[[], None] = nothing,
) -> dict[str, Any]:
    """Times of a loaded model, in ms, and frames per second.

    On a board everything is measured: one picture after the other, then each NPU core alone, then all of them together
    from letterbox to detections. Anywhere else the model is answered for by its backend once a picture, and all but
    the NPU is measured.

    Args:
        pictures: each for an equal share of the runs.
        runs: how many are measured.
        warmup: how many before that are not.
        progress: told what is measured, and the share of its runs that are done.
        look: called after each inference that is measured, to look at the board while it is busy; its time is not.

    Returns:
        ``stages`` (each {"p50", "p90", "p99"}, infer None without an NPU), ``cores`` (the same of infer, a core each),
        ``fps`` ({"one_by_one", "pooled"}, None without an NPU), ``cpu_ms`` (letterbox and post, p50 of their sum),
        ``detections`` and ``megapixels``, the means a picture.
    """
    on_board = BACKENDS[predictor.backend].has_npu
    answers: dict[Path | Fetched, list[Floats]] = {}
    clock, found, sizes = Clock(), list[int](), list[int]()
    for run in range(-warmup, runs):
        progress("stages", max(run, 0) / runs)
        if run == 0:
            clock, found, sizes = Clock(), list[int](), list[int]()
        path = pictures[max(run, 0) * min(len(pictures), runs) // runs]
        with clock.stage("read"):
            rgb = read_image(path)
        with clock.stage("letterbox"):
            letterbox = Letterbox.of(rgb, predictor.spec.imgsz)
            fitted = letterbox.apply(rgb)
        if on_board:
            with clock.stage("infer"):
                outputs = predictor.infer(fitted)
            if run >= 0:
                look()
        else:
            if path not in answers:  # those of one picture at a time: of many they would fill the memory
                answers = {path: predictor.infer(fitted)}
            outputs = answers[path]
        with clock.stage("post"):
            result = predictor.decode(outputs, letterbox)
        with clock.stage("draw"):
            result.draw(rgb)
        found.append(len(result))
        sizes.append(rgb.shape[0] * rgb.shape[1])
    spent = clock.spent
    inside = [sum(times) for times in zip(*(spent[s] for s in STAGES[1:4] if spent[s]), strict=True)]
    return {
        "stages": {stage: percentiles(times) for stage, times in spent.items()},
        "cores": each_core(predictor, fitted, runs, warmup, progress, look) if on_board else [],
        "fps": {
            "one_by_one": round(1000 / float(np.mean(inside)), 2),
            "pooled": pooled(predictor, rgb, runs, warmup, progress),
        }
        if on_board
        else None,
        "cpu_ms": round(float(np.median(np.add(spent["letterbox"], spent["post"]))), 3),
        "detections": round(float(np.mean(found)), 1),
        "megapixels": round(float(np.mean(sizes)) / 1e6, 3),
    }


def each_core(
    predictor: Predictor, rgb: Pixels, runs: int, warmup: int, progress: Progress, look: Callable[[], None]
) -> list[Any]:
    """Percentiles of inference, each context alone."""
    found = []
    for core in range(predictor.contexts):
        times = []
        for run in range(-warmup, runs):
            progress(f"core {core}", max(run, 0) / runs)
            start = time.perf_counter()
            predictor.infer_on(core, rgb)
            times.append(elapsed(start))
            if run >= 0:
                look()
        found.append(percentiles(times[warmup:]))
    return found


def pooled(predictor: Predictor, rgb: Pixels, runs: int, warmup: int, progress: Progress) -> float:
    """Frames per second of all contexts together, from a decoded picture to its detections."""
    runs *= predictor.contexts
    start = 0.0
    for run, _ in enumerate(predictor.map(rgb for _ in range(warmup + runs))):
        progress("pooled", max(run - warmup, 0) / runs)
        if run == warmup - 1 or not start:
            start = time.perf_counter()
    return round((runs if warmup else runs - 1) / (time.perf_counter() - start), 2)


def percentiles(times: Sequence[float]) -> dict[str, float] | None:
    """Of milliseconds; None of none."""
    if not times:
        return None
    return {f"p{part}": round(float(np.percentile(times, part)), 3) for part in (50, 90, 99)}
