#!/usr/bin/env python3
"""Our post-processing beside Ultralytics' own on the same tensors, one thread each.

    OPENBLAS_NUM_THREADS=1 E2ERKNN_WEIGHTS=... E2ERKNN_DATA=... python scripts/bench_postprocess.py

The tensors are what the vendor's simulator gives for 20 labelled pictures a model (rk3566, INT8); they are kept in
`.bench/` and made again only where missing. Ours is `Task.decode`: normalised outputs to a finished `Result`. Theirs is
what happens to the same outputs there: its RKNN backend's scaling to input px (numpy), then what its predictors call,
`non_max_suppression` and `scale_boxes` with `scale_coords` (pose), `process_mask_native` (segment, masks at source
size; `process_mask` at input size in a row of its own) or the rotated overlap. Times are the pictures' mean of medians
of 200 runs, the two taken in turn (fewer runs, at least 10, where 200 last over 2 s: Ultralytics' rotated overlap
takes seconds); every picture's detections are compared. Markdown on stdout, or JSON with --json.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import cv2
import numpy as np
import torch
import torchvision  # noqa: F401 (Ultralytics takes its NMS where it is loaded already)
import typer
from bench_graphs import DATA
from ultralytics.utils import ops
from ultralytics.utils.nms import non_max_suppression

from rknn_zoo_e2e import convert, load
from rknn_zoo_e2e.bundle.model import SUFFIX
from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.cli.ui.failures import reporting_errors
from rknn_zoo_e2e.cli.ui.options import Json, Quiet
from rknn_zoo_e2e.cli.ui.output import Output
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.tasks.base import Task, Thresholds
from rknn_zoo_e2e.tasks.registry import task_of
from rknn_zoo_e2e.tasks.result import Result
from rknn_zoo_e2e.vision.arrays import Array, Floats
from rknn_zoo_e2e.vision.image import SUFFIXES, read_image
from rknn_zoo_e2e.vision.letterbox import Letterbox

MODELS = ("yolov8n", "yolov8n-pose", "yolov8n-seg", "yolov8n-obb")
PICTURES, RUNS, TURN, SECONDS = 20, 200, 10, 2.0
CONFIDENCES = (0.25, 0.001)  # of demo and of eval


@dataclass
class Sample:
    """One picture's outputs, normalised, and where it lay in the input."""

    outputs: list[Floats]
    letterbox: Letterbox

    def fresh(self) -> list[Floats]:
        """A copy of the outputs, to write to."""
        return [output.copy() for output in self.outputs]


def samples(model: str, folder: Path, data: Path, output: Output) -> tuple[Task, list[Sample]]:
    """The simulator's outputs, from ``folder`` where an earlier run left them."""
    bundle, cache = folder / f"{model}{SUFFIX}", folder / f"{model}.npz"
    if not bundle.is_dir():
        output.note(f"{model}: convert")
        task = "obb" if model.endswith("obb") else "detect"
        convert(model, ["rk3566"], calib=data / DATA[task][1], out=folder, verify=False)
    spec = read_bundle(bundle).spec
    labelled, unlabelled = (data / part for part in DATA[spec.task])
    found = sorted(p for p in labelled.parent.rglob("*") if p.suffix in SUFFIXES) + sorted(unlabelled.glob("*.jpg"))
    paths = found[:PICTURES]
    if not paths:
        raise UserError(f"There are no pictures in {labelled.parent}.", "Name their folder with --data.")
    if not cache.is_file():
        arrays: dict[str, Array] = {}
        with load(bundle, backend="simulator") as predictor:
            for index, path in enumerate(paths):
                output.note(f"{model}: simulate {index + 1}/{len(paths)}")
                rgb = read_image(path)
                outputs = predictor.infer(Letterbox.of(rgb, spec.imgsz).apply(rgb))
                arrays |= {f"{index}-shape": np.array(rgb.shape[:2])}
                arrays |= {f"{index}-{number}": output for number, output in enumerate(outputs)}
        np.savez(cache, **arrays)
    with np.load(cache) as stored:
        made = [
            Sample(
                [stored[f"{index}-{number}"] for number in range(len(task_of(spec).outputs))],
                Letterbox.fit((int(stored[f"{index}-shape"][0]), int(stored[f"{index}-shape"][1])), spec.imgsz),
            )
            for index in range(len(paths))
        ]
    adapter = task_of(spec)
    adapter.one_thread = True
    return adapter, made


@dataclass
class Theirs:
    """Ultralytics' predictors' calls for one picture.

    Attributes:
        native: masks at source size, else at input size.
    """

    task: Task
    letterbox: Letterbox
    thresholds: Thresholds
    native: bool = True

    def scaled(self, outputs: list[Floats]) -> list[torch.Tensor]:
        """Coordinates in input px, in place (ultralytics.nn.backends.rknn)."""
        spec, first = self.task.spec, outputs[0]
        height, width = spec.imgsz
        first[:, [0, 2]] *= width
        first[:, [1, 3]] *= height
        if spec.kpt_shape:
            points, values = 4 + len(spec.names), spec.kpt_shape[1]
            first[:, points::values] *= width
            first[:, points + 1 :: values] *= height
        return [torch.from_numpy(output) for output in outputs]

    def __call__(self, fresh: list[Floats]) -> dict[str, Any]:
        spec, limits, shape = self.task.spec, self.thresholds, self.letterbox.source
        outputs = self.scaled(fresh)
        found = non_max_suppression(
            outputs[0],
            limits.conf,
            limits.iou,
            max_det=limits.max_det,
            nc=len(spec.names),
            rotated=spec.task == "obb",
        )[0]
        extra: dict[str, Any] = {}
        if spec.task == "obb":
            boxes = torch.cat([found[:, :4], found[:, -1:]], dim=-1)
            boxes[:, :4] = ops.scale_boxes(spec.imgsz, boxes[:, :4], shape, xywh=True)
            extra["obb"] = ops.regularize_rboxes(boxes)
        elif spec.task == "segment" and not self.native:
            extra["masks"] = ops.process_mask(outputs[1][0], found[:, 6:], found[:, :4], spec.imgsz, upsample=True)
        if spec.task != "obb":
            found[:, :4] = ops.scale_boxes(spec.imgsz, found[:, :4], shape)
        if spec.task == "pose":
            points = found[:, 6:].view(len(found), *(spec.kpt_shape or ()))
            extra["keypoints"] = ops.scale_coords(spec.imgsz, points, shape)
        elif spec.task == "segment" and self.native:
            extra["masks"] = ops.process_mask_native(outputs[1][0], found[:, 6:], found[:, :4], shape)
        return {"boxes": found[:, :4], "scores": found[:, 4], "class_ids": found[:, 5], **extra}


def difference(ours: Result, theirs: dict[str, Any]) -> dict[str, float]:
    """Largest differences of one picture's detections: px, radians as they come; masks as 1 - IoU, the mean.

    Raises:
        AssertionError: not the same set in the same order.
    """
    other = {key: value.numpy() for key, value in theirs.items()}
    np.testing.assert_array_equal(ours.class_ids, other["class_ids"])
    np.testing.assert_array_equal(ours.scores, other["scores"])
    kinds = ("boxes", "keypoints") if ours.obb is None else ("obb",)
    pairs = [(getattr(ours, kind), other[kind]) for kind in kinds if getattr(ours, kind) is not None]
    if not len(ours):
        return {}
    out = {"px": max(float(np.abs(a - b).max()) for a, b in pairs)}
    if ours.masks is not None and other["masks"].shape[1:] == ours.shape:
        full = [(mask.full(*ours.shape), other["masks"][i].astype(bool)) for i, mask in enumerate(ours.masks)]
        out["mask"] = float(np.mean([(a ^ b).sum() / max((a | b).sum(), 1) for a, b in full]))
    return out


@contextmanager
def stable_sort() -> Iterator[None]:
    """torch sorts as it likes where scores are equal, and so it is chance which of two equals suppresses the other: for
    comparing (not for timing) it is told to keep their order."""
    argsort = torch.argsort
    with patch.object(torch, "argsort", lambda *args, **kwargs: argsort(*args, **kwargs, stable=True)):
        yield


def median_ms(sample: Sample, *calls: Callable[[list[Floats]], Any]) -> list[float]:
    """Each call's median over the runs, ms. They take turns of ten runs, so that a busy moment meets all of them, and
    every run gets outputs just written, as a runtime's are."""
    spent: list[list[float]] = [[] for _ in calls]
    begun = time.perf_counter()
    while len(spent[0]) < 10 or (len(spent[0]) < RUNS and time.perf_counter() - begun < SECONDS):
        for times, call in zip(spent, calls, strict=True):
            for _ in range(TURN):
                outputs = sample.fresh()
                start = time.perf_counter()
                call(outputs)
                times.append(time.perf_counter() - start)
    medians: list[float] = (np.median(spent, 1) * 1000).tolist()
    return medians


def compare(model: str, conf: float, native: bool, task: Task, made: list[Sample]) -> dict[str, Any]:
    """One row of the table."""
    thresholds = Thresholds(conf)
    times: list[list[float]] = []
    differences: list[dict[str, float]] = []
    for sample in made:
        theirs = Theirs(task, sample.letterbox, thresholds, native)

        def ours(outputs: list[Floats], letterbox: Letterbox = sample.letterbox) -> Result:
            return task.decode(outputs, letterbox, thresholds)

        with stable_sort():
            differences.append(difference(ours(sample.fresh()), theirs(sample.fresh())))
        times.append(median_ms(sample, ours, theirs))
    ours_ms, theirs_ms = np.mean(times, 0)
    return {
        "model": model,
        "conf": conf,
        "masks": None if task.name != "segment" else "source" if native else "input",
        "pictures": len(made),
        "ours_ms": round(float(ours_ms), 3),
        "ultralytics_ms": round(float(theirs_ms), 3),
        "ratio": round(float(theirs_ms / ours_ms), 2),
        "least_ratio": round(min(other / mine for mine, other in times), 2),
        "px": max((d["px"] for d in differences if "px" in d), default=0.0),
        "mask": max((d["mask"] for d in differences if "mask" in d), default=None),
    }


def main(
    models: Annotated[list[str] | None, typer.Argument(help="Default: the four tasks of YOLOv8n.")] = None,
    data: Annotated[Path, typer.Option(envvar="E2ERKNN_DATA", help="Folder of the pictures.")] = Path("data"),
    folder: Annotated[Path, typer.Option(help="Where bundles and tensors are kept.")] = Path(".bench"),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Times both on the same tensors and compares what they find."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    folder.mkdir(exist_ok=True)
    rows = []
    with reporting_errors(Output(json, quiet)) as output:
        for model in models or MODELS:
            task, made = samples(model, folder, data, output)
            for conf in CONFIDENCES:
                for native in (True, False) if task.name == "segment" else (True,):
                    output.note(f"{model}: conf {conf}")
                    rows.append(compare(model, conf, native, task, made))
                    output.note(f"  {rows[-1]}")
    lines = [
        "| model | conf | ours ms | Ultralytics ms | times faster | least of any picture | largest difference |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        name = row["model"] + (f", its masks at {row['masks']} size" if row["masks"] else "")
        off = f"{row['px']:.4f} px" + (f", mask IoU {1 - row['mask']:.3f}" if row["mask"] is not None else "")
        ms = f"{row['ours_ms']:.3f} | {row['ultralytics_ms']:.3f}"
        lines.append(f"| {name} | {row['conf']} | {ms} | {row['ratio']} | {row['least_ratio']} | {off} |")
    output.emit(rows, *lines)


if __name__ == "__main__":
    typer.run(main)
