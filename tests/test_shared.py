"""The main job on trained COCO and DOTA checkpoints and photographs, where they are at hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from test_cli import run

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
