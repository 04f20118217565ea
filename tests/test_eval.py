"""``eval`` says what Ultralytics' ``val`` says, writes nothing beside the labels, runs nothing from a data.yaml."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from support.cli import PATIENCE, run

from rknn_zoo_e2e.bundle.curves import read_curves
from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.media import synthetic

pytestmark = pytest.mark.slow

PICTURES = 12


def label(task: str, shape: synthetic.Shape, scale: np.ndarray) -> str:
    """One line of an Ultralytics label file."""
    x1, y1, x2, y2 = shape.box
    box = np.array([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]) / np.tile(scale, 2)
    values = {
        "shapes": lambda: box,
        "shapes-pose": lambda: np.concatenate([box, (shape.keypoints / np.append(scale, 1)).ravel()]),
        "shapes-seg": lambda: (shape.polygon / scale).ravel(),
        "shapes-obb": lambda: (shape.corners / scale).ravel(),
    }[task]()
    return " ".join([str(shape.class_id), *(f"{v:.6f}" for v in values.clip(0))])


def drawn(folder: Path, name: str) -> Path:
    """A data set of drawn pictures in Ultralytics' layout; its data.yaml."""
    for part in ("images/val", "labels/val"):
        (folder / part).mkdir(parents=True)
    pose = name == "shapes-pose"
    for seed in range(5_000_000, 5_000_000 + PICTURES):
        image, found = synthetic.draw_scene(seed, (320, 320), pose=pose)
        Image.fromarray(image).save(folder / f"images/val/{seed}.png")
        lines = [label(name, shape, np.array([320.0, 320.0])) for shape in found]
        (folder / f"labels/val/{seed}.txt").write_text("\n".join(lines))
    data = {"train": "images/val", "val": "images/val", "download": f"open({str(folder / 'ran')!r}, 'w')"}
    data["names"] = dict(enumerate(synthetic.POSE_NAMES if pose else synthetic.NAMES))
    if pose:
        data |= {"kpt_shape": list(synthetic.KPT_SHAPE), "flip_idx": list(synthetic.FLIP_IDX)}
    (folder / "data.yaml").write_text(yaml.safe_dump(data))
    return folder / "data.yaml"


@pytest.mark.parametrize("name", ["shapes", "shapes-pose", "shapes-seg", "shapes-obb"])
def test_torch_agrees_with_ultralytics_val(tmp_path: Path, models: Path, name):
    from ultralytics import YOLO

    data = drawn(tmp_path / "data", name)
    out = run("eval", name, "--data", data, "--backend", "torch", "--json", cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    document = json.loads(out.stdout)
    assert document["images"] == PICTURES
    assert not list(data.parent.rglob("*.cache")) and not (data.parent / "ran").exists()
    theirs = YOLO(models / f"weights/{name}.pt").val(
        data=str(data), imgsz=320, batch=1, rect=False, plots=False, workers=0, project=str(tmp_path / "runs")
    )
    for kind, letter in (("box", "B"), ("pose", "P"), ("mask", "M"), ("obb", "B")):
        if kind in document["metrics"]:
            assert abs(document["metrics"][kind]["map"] - theirs.results_dict[f"metrics/mAP50-95({letter})"]) < 0.003


def test_every_dialect_of_a_data_set_measures_the_same(converted: Path, tmp_path: Path):
    """Roboflow's and Windows' ways to write it, lists, a pipe and a picture cut off among the pictures."""
    data = drawn(tmp_path / "data", "shapes")
    document = yaml.safe_load(data.read_text())
    images = sorted((data.parent / "images/val").glob("*.png"))
    os.mkfifo(data.parent / "images/val/pipe.jpg")
    (data.parent / "images/val/cut.jpg").write_bytes(b"\xff\xd8\xff\xe0cut")
    names = [f"./images/val/{path.name}" for path in images]
    (data.parent / "list.txt").write_bytes("\r\n".join(["# mine", "", *names]).encode("utf-16"))
    (data.parent / "windows.txt").write_text("\n".join(name.replace("/", "\\") for name in names))
    dialects = {
        "plain": document,
        "roboflow": {**document, "train": "../images/val", "val": "../images/val", "test": "../images/test"},
        "windows": {**document, "path": "", "val": "images\\val"},
        "listed": {"names": document["names"], "validation": ["list.txt"]},
        "backslashes": {"names": document["names"], "path": str(data.parent), "val": "windows.txt"},
    }
    found = {}
    for name, content in dialects.items():
        (data.parent / f"{name}.yaml").write_bytes(
            yaml.safe_dump(content).encode("utf-16" if name == "windows" else "utf-8")
        )
        args = ("eval", converted / "shapes_rknn_model", "--data", data.parent / f"{name}.yaml", "--backend", "onnx")
        out = run(*args, "--no-keep", "--json", cwd=tmp_path, timeout=PATIENCE)
        assert out.returncode == 0, out.stderr
        document = json.loads(out.stdout)
        assert document["data"].endswith(f"{name}.yaml") and document["images"] == PICTURES
        found[name] = document["metrics"]
    assert all(metrics == found["plain"] for metrics in found.values()) and found["plain"]["box"]["map"] > 0.5
    assert not list(data.parent.rglob("*.cache")) and not (data.parent / "ran").exists()


@pytest.mark.parametrize(
    ("content", "split", "said"),
    [
        ("val: images/val\nnames: ['行人']\n".encode("gbk"), "val", "is not UTF-8 text"),
        (b"val: images/val\nnames: [a, b, c, d, e]\n", "test", "has no test entry"),
        (b"path: /content/set\nval: images\nnames: [a, b, c, d, e]\n", "val", "/content/set/images"),
        (b"val: labels/val\nnames: [a, b, c, d, e]\n", "val", "there are no pictures in its val part"),
        (b"val: images/val\n", "val", "cannot be used"),
        (b"- val\n", "val", "is not an Ultralytics data.yaml"),
    ],
)
def test_what_is_wrong_with_a_data_set_is_said(converted: Path, tmp_path: Path, content, split, said):
    data = drawn(tmp_path / "data", "shapes").parent / "mine.yaml"
    data.write_bytes(content)
    args = ("eval", converted / "shapes_rknn_model", "--data", data, "--backend", "onnx", "--split", split.upper())
    out = run(*args, "--json", cwd=tmp_path)
    error = json.loads(out.stdout)["error"]
    assert out.returncode == 1 and said in error["what"] and "mine.yaml" in error["what"], out.stderr


def test_int8_in_the_simulator_loses_little(converted: Path, tmp_path: Path):
    data = drawn(tmp_path / "data", "shapes-obb")
    bundle = shutil.copytree(converted / "shapes-obb_rknn_model", tmp_path / "shapes-obb_rknn_model")
    found = {}
    for backend in ("onnx", "simulator"):
        args = ("eval", bundle, "--data", data, "--backend", backend, "--json")
        document = json.loads(run(*args, cwd=tmp_path).stdout)
        found[backend] = document["metrics"]["obb"]["map"]
    assert document["soc"] == "rk3566" and document["precision"] == "int8"
    kept = read_bundle(bundle).artifacts[0].evaluations
    assert {run["backend"]: run["metrics"]["obb"]["map"] for run in kept} == found
    assert found["onnx"] > 0.8 and found["simulator"] > found["onnx"] - 0.03


def test_precision_by_recall_is_kept_beside_the_artifact(converted: Path, tmp_path: Path):
    """Its area is mAP50; a run takes the place of an earlier one on the same data."""
    data = drawn(tmp_path / "data", "shapes-seg")
    bundle = shutil.copytree(converted / "shapes-seg_rknn_model", tmp_path / "shapes-seg_rknn_model")
    for images in (4, PICTURES):
        out = run("eval", bundle, "--data", data, "--backend", "onnx", "--images", images, "--json", cwd=tmp_path)
        metrics = json.loads(out.stdout)["metrics"]
    held = read_bundle(bundle)
    [kept] = read_curves(held, held.artifacts[0])
    assert (kept["backend"], kept["images"]) == ("onnx", PICTURES) and [*kept["precision"]] == ["box", "mask"]
    for kind, precision in kept["precision"].items():
        assert abs(np.mean(np.add(precision[1:], precision[:-1]) / 2) - metrics[kind]["map50"]) < 0.01
        assert precision[0] > 0.9 > precision[-1]
    # A damaged file is no reason to keep nothing.
    (bundle / "evaluation-rk3566-int8.json").write_text("damaged")
    assert run("eval", bundle, "--data", data, "--backend", "onnx", "--images", 2, cwd=tmp_path).returncode == 0
    held = read_bundle(bundle)
    assert [one["images"] for one in read_curves(held, held.artifacts[0])] == [2]


def test_the_figures_are_kept_where_nobody_reads_them(converted: Path, tmp_path: Path):
    """As in `e2erknn eval ... | head`: who reads has gone."""
    bundle, data = tmp_path / "shapes_rknn_model", drawn(tmp_path / "data", "shapes")
    shutil.copytree(converted / "shapes_rknn_model", bundle)
    command = [sys.executable, "-m", "rknn_zoo_e2e", "eval", bundle, "--data", data, "--backend", "onnx"]
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as closed:
        subprocess.run([*map(str, command)], stdout=closed, stderr=subprocess.DEVNULL, timeout=PATIENCE, check=False)
    (artifact,) = read_bundle(bundle).artifacts
    assert [run["images"] for run in artifact.evaluations] == [PICTURES]


def cut_off(picture: Image.Image, path: Path) -> None:
    """Writes the first half of a picture's file."""
    picture.save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


UNUSABLE: dict[str, tuple[Callable[[Image.Image, Path], Any], str]] = {
    "cut.jpg": (cut_off, "image file is truncated"),
    "cut.png": (cut_off, "Truncated File Read"),
    "cut.bmp": (cut_off, "it cannot be decoded"),
    "empty.jpg": (lambda picture, path: path.write_bytes(b""), "cannot identify image file"),
    "text.jpg": (lambda picture, path: path.write_text("no picture"), "cannot identify image file"),
    "words.jpg": (Image.Image.save, "could not convert string to float"),
    "class.jpg": (Image.Image.save, "Label class 99 exceeds"),
}
LABELS = {"words": "what is this", "class": "99 0.5 0.5 0.1 0.1"}


def test_a_picture_that_cannot_be_used_is_named_and_none_is_written_to(tmp_path: Path):
    data = drawn(tmp_path / "data", "shapes")
    images = data.parent / "images/val"
    first = sorted(images.iterdir())[0]
    label = (data.parent / f"labels/val/{first.stem}.txt").read_text()
    with Image.open(first) as picture:
        for name, (make, _) in UNUSABLE.items():
            make(picture, images / name)
            (data.parent / f"labels/val/{Path(name).stem}.txt").write_text(LABELS.get(Path(name).stem, label))
        picture.save(images / "more.jpg")
    (data.parent / "labels/val/more.txt").write_text(label)
    with (images / "more.jpg").open("ab") as file:
        file.write(b"what a camera puts behind a picture")
    before = {path: path.read_bytes() for path in data.parent.rglob("*.*")}
    out = run("eval", "shapes", "--data", data, "--backend", "torch", "--json", cwd=tmp_path)
    document = json.loads(out.stdout)
    assert (document["images"], document["skipped"]) == (PICTURES + 1, len(UNUSABLE)), out.stderr
    told = [line for line in out.stderr.splitlines() if line.startswith("Skipped: ")]
    assert len(told) == len(UNUSABLE)
    for name, (_, reason) in UNUSABLE.items():
        assert [line for line in told if f"/{name} or its labels cannot be used ({reason}" in line], (name, told)
    assert {path: path.read_bytes() for path in data.parent.rglob("*.*")} == before


def test_where_no_picture_can_be_used_it_says_why(tmp_path: Path):
    data = drawn(tmp_path / "data", "shapes")
    for path in (data.parent / "images/val").iterdir():
        path.unlink()
    cut_off(Image.new("RGB", (64, 64)), data.parent / "images/val/a.bmp")
    out = run("eval", "shapes", "--data", data, "--backend", "torch", "--json", cwd=tmp_path)
    what = json.loads(out.stdout)["error"]["what"]
    assert out.returncode == 1 and "a.bmp or its labels cannot be used (it cannot be decoded)" in what


def test_a_data_set_that_does_not_fit_is_refused(tmp_path: Path):
    data = drawn(tmp_path / "data", "shapes-pose")
    out = run("eval", "shapes", "--data", data, cwd=tmp_path)
    assert out.returncode == 1 and "1 classes and shapes has 5" in out.stderr
    (tmp_path / "gone.yaml").write_text("val: nowhere\nnames: [a, b, c, d, e]\n")
    out = run("eval", "shapes", "--data", "gone.yaml", cwd=tmp_path)
    assert out.returncode == 1 and "cannot be used" in out.stderr and "Traceback" not in out.stderr
