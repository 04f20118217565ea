"""The main job on trained COCO and DOTA checkpoints and photographs, where they are at hand."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from support.cli import run

from rknn_zoo_e2e.checkpoint.source import load_source
from rknn_zoo_e2e.conversion.export import export_onnx
from rknn_zoo_e2e.heads.reference import reference_outputs
from rknn_zoo_e2e.runtime.onnx import OnnxRuntime
from rknn_zoo_e2e.tasks.registry import task_of
from rknn_zoo_e2e.vision.image import read_image
from rknn_zoo_e2e.vision.letterbox import Letterbox
from rknn_zoo_e2e.zoo import Source

pytestmark = pytest.mark.slow

CASES = [
    # model, calibration pictures, what its picture shows at least
    ("yolov8n", "calib-coco", {"bus": 1, "person": 3}),
    ("yolov8n-pose", "calib-coco", {"person": 3}),
    ("yolov8n-seg", "calib-coco", {"bus": 1, "person": 3}),
    ("yolo11n", "calib-coco", {"bus": 1, "person": 3}),
    ("yolo26n", "calib-coco", {"bus": 1, "person": 3}),
    ("yolov8n-obb", "calib-aerial", {}),
]


@pytest.mark.parametrize(("name", "calib", "least"), CASES)
def test_convert_and_demo(weights: Path, data: Path, bus: Path, tmp_path: Path, name, calib, least):
    args = ("convert", name, "--soc", "rk3566", "--calib", data / calib, "--calib-images", 8, "--json")
    out = run(*args, cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    (artifact,) = json.loads(out.stdout)["artifacts"]
    assert artifact["parity"]["passed"] and artifact["parity"]["detections"]
    assert {op["op"] for op in artifact["placement"]["cpu"]} <= {"Reshape"}, "the last one, in layout flat"
    assert len(artifact["placement"]["cpu"]) <= 1
    picture = bus if least else data / "dota-obb/images/val"
    out = run("demo", picture, "--backend", "simulator", "--json", cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    images = json.loads(out.stdout)["images"]
    labels = [d["label"] for image in images for d in image["detections"]]
    for label, count in least.items():
        assert labels.count(label) >= count, labels
    if not least:
        assert sum(label in ("plane", "small vehicle", "large vehicle") for label in labels) >= 20
    if name == "yolov8n-pose":
        for person in images[0]["detections"][:3]:
            points = np.array(person["keypoints"])
            head, feet = points[:5][points[:5, 2] > 0.5], points[15:][points[15:, 2] > 0.5]
            assert len(feet) and (not len(head) or head[:, 1].max() < feet[:, 1].min()), "heads are above feet"


@pytest.mark.parametrize("imgsz", [(320, 320), (640, 640), (480, 640)])
def test_fp32_graph_equals_ultralytics(weights: Path, data: Path, tmp_path: Path, imgsz):
    """The exported file in ONNX Runtime against the untouched checkpoint in PyTorch, what is found on photographs."""
    pictures = [read_image(path) for path in sorted((data / "calib-coco").glob("*.jpg"))[:1]]
    pictures.append(read_image(sorted((data / "calib-aerial").glob("*.jpg"))[0]))
    seen = 0
    for path in sorted(weights.glob("*.pt")):
        model, spec = load_source(Source(path, path.stem), imgsz)
        task = task_of(spec)
        export_onnx(model, spec, "flat", tmp_path / "model.onnx")
        with closing(OnnxRuntime(tmp_path / "model.onnx")) as runtime:
            for picture in pictures:
                rgb = Letterbox.of(picture, imgsz).apply(picture)
                x = torch.from_numpy(rgb.transpose(2, 0, 1)[None].astype(np.float32) / 255)
                expected = reference_outputs(model, x, spec)[0].numpy()[0]
                found = expected[4 : task.extra_from].max(0) > 0.25
                apart = np.abs((runtime.infer(rgb)[0][0] - expected) * task.scale)[:, found]
                assert apart.max(initial=0) < 1e-3, path.name
                seen += found.sum()
    assert seen > 50
