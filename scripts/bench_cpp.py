"""The C++ decode and letterbox against Python's in one run, one thread each: python scripts/bench_cpp.py LIBRARY

Outputs are made up, as large as YOLOv8's of COCO (obb: of DOTA), twelve objects each, kept in fp16 in blocks of 8
channels as an rk3588 keeps them; Python gets the same values in fp16, planar. Best and median of the runs, ms.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "cpp"))
from native import Library, as_npu, essentials  # type: ignore[import-not-found]

from rknn_zoo_e2e.tasks.base import Thresholds
from rknn_zoo_e2e.tasks.registry import task_of
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.vision.arrays import Array
from rknn_zoo_e2e.vision.letterbox import Letterbox

SOURCE = (720, 1280)
RUNS = 300
CASES = {
    "detect": ModelSpec("d", "detect", tuple(map(str, range(80))), (640, 640)),
    "pose": ModelSpec("p", "pose", ("person",), (640, 640), kpt_shape=(17, 3)),
    "segment": ModelSpec("s", "segment", tuple(map(str, range(80))), (640, 640), masks=32),
    "obb": ModelSpec("o", "obb", tuple(map(str, range(15))), (1024, 1024)),
}


def cells_of(size: int) -> Array:
    """(3, A): x, y and stride of each cell, px."""
    levels = []
    for stride in (8, 16, 32):
        y, x = np.mgrid[0 : size // stride, 0 : size // stride]
        levels.append(np.stack([(x.ravel() + 0.5) * stride, (y.ravel() + 0.5) * stride, np.full(x.size, stride)]))
    return np.concatenate(levels, 1)


def outputs_of(spec: ModelSpec, rng: np.random.Generator) -> list[Array]:
    size, classes = spec.imgsz[0], len(spec.names)
    cells = cells_of(size)
    out = np.zeros((task_of(spec).outputs[0].count, cells.shape[1]), np.float32)
    out[:2], out[2:4] = cells[:2] / size, np.abs(rng.normal(cells[2] * 4, cells[2])) / size
    out[4 : 4 + classes] = np.abs(rng.normal(0, 4e-4, (classes, cells.shape[1])))
    for _ in range(16 if spec.masks else 12):
        centre, sides = rng.uniform(0.15, 0.85, 2) * size, rng.uniform(160 if spec.masks else 40, 260, 2)
        near = np.argsort(np.hypot(*((cells[:2] - centre[:, None]) / sides[:, None])))[:14]
        out[4 + rng.integers(classes), near] = rng.uniform(0.3, 0.95, 14)
        out[:2, near] = (centre[:, None] + rng.normal(0, 2, (2, 14))) / size
        out[2:4, near] = (sides[:, None] + rng.normal(0, 4, (2, 14))) / size
    extra = out[4 + classes :]
    extra[:] = rng.uniform(-0.5, 1, extra.shape)
    outputs = [out.astype(np.float16)[None]]
    if spec.masks:
        protos = rng.normal(0, 0.05, (spec.masks, size // 4, size // 4)).cumsum(1).cumsum(2)
        protos -= protos.mean((1, 2), keepdims=True)
        outputs.append((protos / protos.std()).astype(np.float16)[None])
    return outputs


def timed(*calls: Callable[[], object]) -> list[tuple[float, float]]:
    """(best, median) ms of each; they take turns, so that what else the machine does strikes all alike."""
    spent: list[list[float]] = [[] for _ in calls]
    for _ in range(RUNS):
        for call, times in zip(calls, spent, strict=True):
            start = time.perf_counter()
            call()
            times.append((time.perf_counter() - start) * 1000)
    return [(min(times), median(times)) for times in spent]


def main(library: Path) -> None:
    native, rng = Library(library), np.random.default_rng(7)
    cv2.setNumThreads(1)
    print("| what | Python best / median ms | C++ best / median ms | ratio of best |\n|---|---:|---:|---:|")
    for name, spec in CASES.items():
        outputs = outputs_of(spec, rng)
        task, letterbox, facts = task_of(spec), Letterbox.fit(SOURCE, spec.imgsz), essentials(spec)
        tensors = [as_npu(output, 8) for output in outputs]
        call = native.prepared(facts, [t for t, _ in tensors], SOURCE)
        theirs, ours = timed(lambda: task.decode(outputs, letterbox, Thresholds()), call)  # noqa: B023
        tell(f"decode, {name}, {len(task.decode(outputs, letterbox, Thresholds()))} detections", theirs, ours)
    for size in (SOURCE, (1080, 1920), (480, 640)):
        rgb = cv2.resize(rng.integers(0, 256, (*(s // 8 for s in size), 3), np.uint8), size[::-1])
        letterbox = Letterbox.fit(size, (640, 640))
        theirs, ours = timed(lambda: letterbox.apply(rgb), lambda: native.letterbox(rgb, (640, 640)))  # noqa: B023
        tell(f"letterbox of {size[1]}x{size[0]} into 640x640", theirs, ours)


def tell(what: str, theirs: tuple[float, float], ours: tuple[float, float]) -> None:
    shown = " | ".join(f"{best:.3f} / {middle:.3f}" for best, middle in (theirs, ours))
    print(f"| {what} | {shown} | {ours[0] / theirs[0]:.2f} |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
