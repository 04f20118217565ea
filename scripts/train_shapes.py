#!/usr/bin/env python3
"""Train the starter models: small YOLOv8 networks that find the shapes drawn by `rknn_zoo_e2e.media.synthetic`.

    python scripts/train_shapes.py --task all --out models

For each task the script draws a data set, trains from scratch (segment and obb go on from the result of detect),
strips the result to a half precision checkpoint, validates that very checkpoint on pictures it has not seen and notes
the outcome in the family card:

    <out>/weights/shapes.pt, shapes-pose.pt, shapes-seg.pt, shapes-obb.pt
    <out>/shapes.yaml         only the entries of the trained tasks change
    <out>/sample.jpg, sample-pose.jpg

Needs `ultralytics` and a CPU, nothing from the network. A task takes about 15 minutes on one core; Ultralytics leaves
one core of the machine idle, so two tasks can be trained side by side on two cores.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs from a source tree too

from rknn_zoo_e2e.media import synthetic
from rknn_zoo_e2e.vision.arrays import Pixels

IMGSZ = 320
VAL_IMAGES = 200
# First seeds; they are far apart, so training, validation and samples never share a picture.
TRAIN_SEED, VAL_SEED = 0, 1_000_000
# All classes, and fitted into IMGSZ no shape is smaller than those of the training pictures.
SAMPLE_SEEDS = {"sample.jpg": 2_000_247, "sample-pose.jpg": 2_000_009}
SAMPLE_SIZE = (360, 480)  # height, width, px
SCALES = {"t": [0.33, 0.125, 512]}  # depth, width, most channels before the width; YOLOv8n has 0.33, 0.25, 1024


@dataclass(frozen=True)
class Task:
    """What differs between the tasks: file names and where Ultralytics keeps the measured figures."""

    name: str  # of the model
    config: str  # the architecture, a file of Ultralytics
    epochs: int
    metrics: dict[str, str]  # name in the card: attribute of the validation result
    start: str = ""  # the model whose weights it starts from; the pictures are the same, so that saves time


TASKS = {
    "detect": Task("shapes", "yolov8.yaml", 10, {"box": "box"}),
    "pose": Task("shapes-pose", "yolov8-pose.yaml", 10, {"box": "box", "pose": "pose"}),
    "segment": Task("shapes-seg", "yolov8-seg.yaml", 8, {"box": "box", "mask": "seg"}, "shapes"),
    "obb": Task("shapes-obb", "yolov8-obb.yaml", 8, {"obb": "box"}, "shapes"),
}


def names(task: str) -> list[str]:
    """Class names of a task."""
    return list(synthetic.POSE_NAMES if task == "pose" else synthetic.NAMES)


def label(task: str, shape: synthetic.Shape, size: int) -> str:
    """One line of an Ultralytics label file for a square picture of `size` px: class, then numbers from 0 to 1."""
    x1, y1, x2, y2 = shape.box.tolist()
    box = [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]
    if task == "segment":
        values = shape.polygon.ravel() / size
    elif task == "obb":
        values = shape.corners.ravel() / size
    elif task == "pose":
        assert shape.keypoints is not None
        points = shape.keypoints / np.array([size, size, 1], np.float32)  # visibility is not a length
        values = np.concatenate([np.array(box) / size, points.ravel()])
    else:
        values = np.array(box) / size
    return " ".join([str(shape.class_id), *(f"{value:.6g}" for value in values)])


def write_image(path: Path, picture: Pixels) -> None:
    """Write an (h, w, 3) uint8 RGB picture as JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95]):  # OpenCV wants BGR
        raise OSError(f"cannot write {path}")


def write_dataset(task: str, root: Path, images: int) -> Path:
    """Draw the pictures and labels below `root` and return the data set file for Ultralytics."""
    for old in ("images", "labels"):  # of an earlier run with another number of pictures
        shutil.rmtree(root / old, ignore_errors=True)
    for split, first, count in (("train", TRAIN_SEED, images), ("val", VAL_SEED, VAL_IMAGES)):
        (root / "labels" / split).mkdir(parents=True, exist_ok=True)
        for seed in range(first, first + count):
            picture, found = synthetic.draw_scene(seed, (IMGSZ, IMGSZ), pose=task == "pose")
            write_image(root / "images" / split / f"{seed}.jpg", picture)
            lines = [label(task, shape, IMGSZ) for shape in found]
            (root / "labels" / split / f"{seed}.txt").write_text("\n".join(lines) + "\n")
    data: dict[str, Any] = {"path": str(root), "train": "images/train", "val": "images/val"}
    data["names"] = dict(enumerate(names(task)))
    if task == "pose":
        data |= {"kpt_shape": list(synthetic.KPT_SHAPE), "flip_idx": list(synthetic.FLIP_IDX)}
    path = root / "data.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def write_architecture(task: str, root: Path) -> Path:
    """Write the model file: the one of Ultralytics with our size and classes."""
    import ultralytics

    source = Path(ultralytics.__file__).parent / "cfg/models/v8" / TASKS[task].config
    model = yaml.safe_load(source.read_text(encoding="utf-8"))
    model |= {"nc": len(names(task)), "scales": SCALES}
    if task == "pose":
        model["kpt_shape"] = list(synthetic.KPT_SHAPE)
    path = root / f"{TASKS[task].name}.yaml"
    path.write_text(yaml.safe_dump(model))
    return path


def save(task: str, trained: Path, path: Path, epochs: int) -> int:
    """Save what is needed to use the checkpoint `trained` and nothing about where it was made.

    The bytes depend on nothing but the weights and the versions of the libraries. Returns the number of parameters.
    """
    import torch
    from ultralytics import YOLO, __version__

    net: Any = YOLO(trained).model
    neutral = "shapes.yaml"
    args = {"task": task, "model": neutral, "data": neutral, "imgsz": IMGSZ, "epochs": epochs, "single_cls": False}
    net.args, net.yaml["yaml_file"], net.criterion = args, neutral, None
    del net.pt_path
    for parameter in net.parameters():
        parameter.requires_grad = False
    license_text = "AGPL-3.0 License (https://ultralytics.com/license)"
    checkpoint = {"epoch": -1, "model": net.half(), "train_args": args, "version": __version__, "license": license_text}
    buffer = io.BytesIO()  # a file's own name would become a part of the archive
    torch.save(checkpoint, buffer)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())
    return sum(parameter.numel() for parameter in net.parameters())


def train(task: str, out: Path, work: Path, epochs: int, images: int) -> dict[str, Any]:
    """Train and validate one task. Returns its entry for the family card."""
    from ultralytics import YOLO

    root = work / TASKS[task].name
    root.mkdir(parents=True, exist_ok=True)
    common: dict[str, Any] = {"data": str(write_dataset(task, root, images)), "imgsz": IMGSZ, "device": "cpu"}
    common |= {"batch": 8, "workers": 0, "plots": False, "project": str(root / "runs")}

    model: Any = YOLO(write_architecture(task, root), task=task)
    if TASKS[task].start:
        model.load(out / "weights" / f"{TASKS[task].start}.pt")
    # Every picture is different already, so only cheap changes are made to them. Nothing is validated on the way: the
    # last weights are taken, and the validation pictures have no say in which.
    model.train(
        **common,
        name="train",
        exist_ok=True,
        epochs=epochs,
        val=False,
        cache="ram",
        amp=False,
        seed=0,
        deterministic=True,
        optimizer="AdamW",
        lr0=0.003,
        cos_lr=True,
        nbs=8,  # a step for every batch
        warmup_epochs=1,
        hsv_h=0.5,  # any hue
        hsv_s=0.3,
        hsv_v=0.2,
        mosaic=0.0,
        translate=0.0,
        scale=0.0,
        erasing=0.0,
        flipud=0.0 if task == "pose" else 0.5,
    )
    path = out / "weights" / f"{TASKS[task].name}.pt"
    params = save(task, Path(model.trainer.last), path, epochs)
    result = YOLO(path).val(**common, name="val", exist_ok=True)

    entry: dict[str, Any] = {"task": task, "params": params, "weights": path.relative_to(out).as_posix()}
    entry |= {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "names": names(task)}
    if task == "pose":
        skeleton = [list(pair) for pair in synthetic.SKELETON]
        entry |= {"kpt_shape": list(synthetic.KPT_SHAPE), "kpt_names": list(synthetic.KEYPOINTS), "skeleton": skeleton}
    found = {key: getattr(result, attribute) for key, attribute in TASKS[task].metrics.items()}
    entry["metrics"] = {k: {"map50": round(float(v.map50), 4), "map": round(float(v.map), 4)} for k, v in found.items()}
    seeds = f"{VAL_SEED} to {VAL_SEED + VAL_IMAGES - 1}"
    entry["measured_on"] = f"{VAL_IMAGES} drawn pictures, seeds {seeds}, Ultralytics val, fp32"
    return entry


def update_card(path: Path, task: str, entry: dict[str, Any]) -> None:
    """Write the entry of a task into the family card and leave those of the other tasks as they are."""
    old = yaml.safe_load(path.read_text())["models"] if path.exists() else {}
    old[TASKS[task].name] = entry
    card = {
        "family": "shapes",
        "license": "AGPL-3.0",
        "author": "rknn_zoo_e2e",
        "architecture": "yolov8",
        "imgsz": IMGSZ,
        "calibration": "shapes",  # draws its own pictures
        "source": "scripts/train_shapes.py",
        "models": {t.name: old[t.name] for t in TASKS.values() if t.name in old},
    }
    path.write_text(yaml.safe_dump(card, sort_keys=False, default_flow_style=None, width=120))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Train the starter models on drawn shapes.")
    parser.add_argument("--task", choices=[*TASKS, "all"], default="all")
    parser.add_argument("--out", type=Path, default=Path("models"), help="where the card and the weights go")
    parser.add_argument("--epochs", type=int, help="default: 10, or 8 for segment and obb")
    parser.add_argument("--images", type=int, default=1600, help="pictures to train on")
    parser.add_argument("--work", type=Path, help="data sets, runs and settings; default: a temporary directory")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as temporary:
        work = (args.work or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        # Ultralytics reads these when it is imported, so it is imported later, inside the functions.
        os.environ |= {"YOLO_CONFIG_DIR": str(work), "YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false"}
        for task in TASKS if args.task == "all" else [args.task]:
            entry = train(task, args.out, work, args.epochs or TASKS[task].epochs, args.images)
            update_card(args.out / "shapes.yaml", task, entry)
        for name, seed in SAMPLE_SEEDS.items():
            write_image(args.out / name, synthetic.draw_scene(seed, SAMPLE_SIZE, pose="pose" in name)[0])


if __name__ == "__main__":
    main()
