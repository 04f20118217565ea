"""mAP of any model on any backend, by Ultralytics' own data sets, post-processing and metrics.

The validator is driven from outside: its data loader gives the pictures, our runtime answers in the model's place, and
the validator does the rest. The pictures are letterboxed to the model's input as on a board (``rect=False``).
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import yaml

from rknn_zoo_e2e.boards.install import remedy
from rknn_zoo_e2e.bundle.curves import POINTS
from rknn_zoo_e2e.errors import UserError, first_line
from rknn_zoo_e2e.isolation.workfolder import work_folder
from rknn_zoo_e2e.media.dataset import labelled_pictures, read_data
from rknn_zoo_e2e.progress import Progress, silent
from rknn_zoo_e2e.quantization.calibration import told_skipped
from rknn_zoo_e2e.runtime.predictor import Predictor
from rknn_zoo_e2e.tasks.registry import TASKS, task_of
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.vision.arrays import Floats
from rknn_zoo_e2e.vision.image import JPEG_SUFFIXES, SUFFIXES
from rknn_zoo_e2e.vision.tensors import real

IGNORED = ": ignoring corrupt image/label: "  # how Ultralytics says which picture it leaves out, and why


def evaluate(
    predictor: Predictor,
    data: Path,
    split: str = "val",
    limit: int | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Metrics of a loaded model on an Ultralytics data set.

    Args:
        predictor: any backend; its thresholds are not used, the validator has its own (conf 0.001).
        data: ``data.yaml``.
        split: which of its parts.
        limit: only this many pictures, the first ones.
        progress: told the share of the pictures that is done; the stage is what the backend is called.

    Returns:
        ``{"images": N, "skipped": M, "metrics": {"box": {"map50", "map"}, "pose" | "mask" | "obb": {...}}}``: how many
        pictures count, how many cannot be used, and metrics, each 0..1.

    Raises:
        UserError: the data set cannot be read, or does not fit the model.
    """
    return evaluate_with_curves(predictor, data, split, limit, progress)[0]


def evaluate_with_curves(
    predictor: Predictor,
    data: Path,
    split: str = "val",
    limit: int | None = None,
    progress: Progress = silent,
    only: Sequence[Path] | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """What :func:`evaluate` returns, and by kind of accuracy the precision by recall (``bundle.curves``).

    A kind of which nothing was labelled has no curve. Arguments and errors are those of :func:`evaluate`.

    Args:
        only: those of the part's pictures that count; None for all.
        say: told which pictures cannot be used, and why.
    """
    with fed_validator(predictor, data, split, limit, progress, only) as (validator, total, skipped):
        for line in told_skipped(skipped):
            say(line)
        stats = validator.get_stats()
        measured = validator.metrics
        drawn = dict(zip(measured.curves, measured.curves_results, strict=True))
    metrics, curves = {}, {}
    for kind, letter in TASKS[predictor.spec.task].metrics.items():
        metrics[kind] = {
            "map50": round(float(stats[f"metrics/mAP50({letter})"]), 5),
            "map": round(float(stats[f"metrics/mAP50-95({letter})"]), 5),
        }
        recalls, precisions, *_ = drawn[f"Precision-Recall({letter})"]
        if len(precisions):
            mean = np.interp(np.linspace(0, 1, POINTS), recalls, np.mean(precisions, axis=0))
            curves[kind] = [round(float(value), 4) for value in mean]
    return {"images": total, "skipped": len(skipped), "metrics": metrics}, curves


@contextmanager
def fed_validator(
    predictor: Predictor,
    data: Path,
    split: str = "val",
    limit: int | None = None,
    progress: Progress = silent,
    only: Sequence[Path] | None = None,
) -> Iterator[tuple[Any, int, list[str]]]:
    """Ultralytics' validator with what the model found on each picture, their number, and what was wrong with others.

    Arguments and errors are those of :func:`evaluate_with_curves`.
    """
    if find_spec("ultralytics") is None:
        raise UserError("ultralytics must be installed to evaluate.", remedy("convert"))
    os.environ.setdefault("YOLO_VERBOSE", "False")
    import torch

    spec = predictor.spec
    with work_folder() as folder, read_only() as skipped, silenced():
        validator = make_validator(spec, data, split, folder, only)
        pictures = validator.dataloader.dataset
        total = wanted = len(pictures) if limit is None else min(limit, len(pictures))
        for index in range(wanted):
            progress(predictor.backend, index / wanted)
            try:
                batch = pictures.collate_fn([pictures[index]])
            except OSError:  # Ultralytics' scan looks at the header of many a format alone
                skipped.append(unusable(pictures.im_files[index], "it cannot be decoded"))
                total -= 1
                continue
            rgb = batch["img"][0].permute(1, 2, 0).contiguous().numpy()
            outputs = predictor.infer(rgb)
            batch = validator.preprocess(batch)
            with torch.no_grad():
                validator.update_metrics(validator.postprocess(as_ultralytics(spec, outputs)), batch)
        if not total:
            raise UserError(f"{data} cannot be used: {skipped[0]}", "Replace the pictures that cannot be read.")
        yield validator, total, skipped


@contextmanager
def silenced() -> Iterator[None]:
    """Keeps Ultralytics' lines and bars away: where it was imported before, they would go to the caller's stdout.

    And OpenCV's of a picture it cannot decode, which we name.
    """
    from ultralytics.utils import LOGGER

    from rknn_zoo_e2e.media.capture import silence

    silence()
    before = LOGGER.level
    LOGGER.setLevel(logging.ERROR)
    try:
        yield
    finally:
        LOGGER.setLevel(before)


def make_validator(spec: ModelSpec, data: Path, split: str, folder: Path, only: Sequence[Path] | None = None) -> Any:
    """Ultralytics' validator for the task, ready to be fed."""
    import torch
    from ultralytics.data.utils import check_det_dataset

    resolved = resolved_data(data, split, folder, only)
    arguments = {"data": str(resolved), "batch": 1, "plots": False, "rect": False, "workers": 0, "split": split}
    validator = resolve_name(TASKS[spec.task].validator)(save_dir=folder, args=arguments)
    validator.args.imgsz = list(spec.imgsz)
    try:
        validator.data = check_det_dataset(str(resolved), autodownload=False, split=split)
        classes = len(validator.data["names"])
        if classes != len(spec.names):
            raise UserError(
                f"{data} has {classes} classes and {spec.name} has {len(spec.names)}.",
                "Give the data set the model was trained for.",
            )
        validator.device, validator.training, validator.stride = torch.device("cpu"), False, spec.stride
        validator.names = dict(enumerate(spec.names))
        validator.dataloader = validator.get_dataloader(validator.data.get(split), 1)
    except (OSError, KeyError, SyntaxError, RuntimeError, ValueError, TypeError) as error:
        reason = first_line(error).replace(str(resolved), str(data))
        raise UserError(f"{data} cannot be used ({reason}).", f"Check its path, names and {split} entries.") from error
    validator.init_metrics(SimpleNamespace(names=validator.names, end2end=spec.nms_free, format="rknn"))
    return validator


def resolved_data(data: Path, split: str, folder: Path, only: Sequence[Path] | None = None) -> Path:
    """The data set as Ultralytics reads it, with the pictures of ``split`` by their full paths, in the working folder.

    So it is read by the rules calibration has, and its download script, which may hold Python to run, is not there.

    Raises:
        UserError: it names no pictures that are there.
    """
    _, document = read_data(data)
    # A file that is no picture Ultralytics leaves out with a warning.
    files = [str(path) for path in (labelled_pictures(data, split) if only is None else only)]
    if not files:
        raise UserError(
            f"{data} cannot be used: there are no pictures in its {split} part.",
            f"Give a data set with some of: {', '.join(sorted(SUFFIXES))}.",
        )
    listed = folder / f"{split}.txt"
    if odd := next(
        (file for file in files if "\n" in file or file.encode("utf-8", "ignore") != os.fsencode(file)), None
    ):
        raise UserError(f"{odd} has a name that Ultralytics cannot read from a list.", "Rename it.")
    listed.write_text("\n".join(files), "utf-8")
    left_out = ("path", "train", "val", "test", "minival", "download")
    facts = {key: value for key, value in document.items() if key not in left_out}
    resolved = folder / "data.yaml"
    used = dict.fromkeys(("train", "val", split), str(listed.absolute()))
    resolved.write_text(yaml.safe_dump(facts | used), "utf-8")
    return resolved


@contextmanager
def read_only() -> Iterator[list[str]]:
    """Ultralytics writes a cache beside the labels and reads one there, a pickle; neither happens in here.

    Nor does it write a JPEG anew that has something behind its end, as some cameras' have. And every suffix of a JPEG
    is one.

    Yields:
        A sentence for each picture it leaves out, once it has looked at them.
    """
    left_out: list[str] = []

    def no_cache(*_: object, **__: object) -> Any:
        raise FileNotFoundError

    def keep_in_memory(prefix: str, path: Path, labels: dict[str, Any], version: str) -> None:
        labels["version"] = version
        for file, mark, reason in (said.partition(IGNORED) for said in labels["msgs"]):
            if mark:
                left_out.append(unusable(file.removeprefix(prefix), reason))

    def decoded(_: str, write: Callable[[Any], None]) -> None:
        write(io.BytesIO())  # raises where it is cut off

    from ultralytics.data import base, dataset, utils

    suffixes = base.IMG_FORMATS | {suffix[1:] for suffix in JPEG_SUFFIXES}
    with (
        patch.object(base, "IMG_FORMATS", suffixes),
        patch.object(dataset, "load_dataset_cache_file", no_cache),
        patch.object(dataset, "save_dataset_cache_file", keep_in_memory),
        patch.object(utils, "_replace_image", decoded),
    ):
        yield left_out


def unusable(file: str, reason: str) -> str:
    """What is told of a picture that does not count."""
    reason = reason.replace(repr(file), "").replace(file, "")
    return f"{file} or its labels cannot be used ({' '.join(reason.split()).rstrip(' .:')})."


def as_ultralytics(spec: ModelSpec, outputs: Sequence[Floats]) -> Any:
    """Our outputs as Ultralytics' model returns them, in input px: (1, C, A), or if NMS-free the best (1, 300, ...)."""
    import torch
    from ultralytics.nn.modules.head import Detect

    task = task_of(spec)
    ours = [real(output) for output in task.form.ours(outputs)]
    flat = ours[0].reshape(1, task.outputs[0].count, -1) * task.input_scale()
    predictions = torch.from_numpy(np.ascontiguousarray(flat, np.float32))
    if spec.nms_free:
        if TASKS[spec.task].corners:
            half = predictions[:, 2:4] / 2
            predictions[:, :4] = torch.cat([predictions[:, :2] - half, predictions[:, :2] + half], 1)
        predictions = Detect(nc=len(spec.names), reg_max=1, ch=(16,)).postprocess(predictions.permute(0, 2, 1))
    if len(ours) == 1:
        return predictions
    protos = ours[1].reshape(1, *ours[1].shape[-3:])
    return predictions, torch.from_numpy(np.ascontiguousarray(protos, np.float32))
