"""The base install: no torch, no ultralytics, no toolkit. Run in a virtual environment that has only that."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from support.known import known

from rknn_zoo_e2e.tasks.base import Thresholds
from rknn_zoo_e2e.tasks.registry import TASKS, task_of
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.vision.letterbox import Letterbox
from rknn_zoo_e2e.zoo import MODELS

HEAVY = ("torch", "ultralytics", "rknn", "cv2", "onnx", "onnxruntime", "huggingface_hub")


def test_decode_and_draw_import_no_torch():
    code = (
        "import sys\nfrom rknn_zoo_e2e.tasks import detect, obb, pose, segment\nfrom rknn_zoo_e2e import load\n"
        "from rknn_zoo_e2e.vision import drawing\n"
        "print([m for m in ('torch', 'ultralytics', 'rknn') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_importing_the_package_loads_nothing_heavy():
    code = f"import sys, rknn_zoo_e2e; print([m for m in {HEAVY} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom rknn_zoo_e2e.cli.app import COMMANDS, app\n"
        "for command in COMMANDS:\n"
        "    try: app([command, '--help'])\n    except SystemExit: pass\n"
        f"print([m for m in {(*HEAVY, 'numpy', 'PIL')} if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip().splitlines()[-1] == "[]"


def outputs_with_one_object(task: str) -> tuple[ModelSpec, list[np.ndarray]]:
    """A model's outputs on a 64 x 96 px grid holding one object: the box (24, 16)-(72, 48), class 1, score 0.9."""
    shape = (3, 3) if task == "pose" else None
    spec = ModelSpec("made", task, ("a", "ä b"), (64, 96), kpt_shape=shape, masks=4 if task == "segment" else 0)
    adapter = task_of(spec)
    out = np.zeros((1, adapter.outputs[0].count, 126), np.float32)
    out[0, :6, 7] = 0.5, 0.5, 0.5, 0.5, 0.05, 0.9
    extra = out[0, 6:, 7]
    if task == "pose":
        extra[:] = np.tile([0.5, 0.5, 1.0], 3)
    if task == "segment":
        extra[:] = 1
    if task == "obb":
        extra[:] = np.pi / 8
    protos = [np.ones((1, 4, 16, 24), np.float32)] if task == "segment" else []
    return spec, [out, *protos]


@pytest.mark.parametrize("task", TASKS)
def test_decode_and_draw(task):
    spec, outputs = outputs_with_one_object(task)
    image = np.zeros((128, 192, 3), np.uint8)
    result = task_of(spec).decode(outputs, Letterbox.of(image, spec.imgsz), Thresholds())
    assert [result.label(i) for i in range(len(result))] == ["ä b"]
    if task != "obb":
        np.testing.assert_allclose(result.boxes, [[48, 32, 144, 96]], atol=1e-3)
    drawn = result.draw(image)
    assert drawn.shape == image.shape and drawn.any() and not image.any()
    assert result.to_dict()["detections"][0]["class_id"] == 1


@pytest.mark.skipif(find_spec("torch") is not None, reason="only where nothing heavy is installed")
def test_cli_works(tmp_path: Path):
    out = subprocess.run([sys.executable, "-m", "rknn_zoo_e2e", "list", "shapes"], capture_output=True, text=True)
    assert out.returncode == 0 and "shapes-obb" in out.stdout
    (tmp_path / "data.yaml").write_text("val: .\nnames: [a]\n")
    for command in (
        ["convert", "shapes", "--soc", "rk3566"],
        ["convert", "shapes", "--soc", "rk3566", "--max-drop", "1", "--data", "data.yaml"],
        ["analyze", "shapes", "--soc", "rk3566"],
        ["eval", "shapes", "--data", "data.yaml"],
        ["demo", str(MODELS / "sample.jpg"), "--model", "shapes"],
    ):
        out = subprocess.run(
            [sys.executable, "-m", "rknn_zoo_e2e", *command], capture_output=True, text=True, cwd=tmp_path
        )
        assert out.returncode == 1 and "pip install" in out.stderr, (command, out.stderr)
        assert "Traceback" not in out.stderr and "bug" not in out.stderr, (command, out.stderr)
    out = subprocess.run(
        [sys.executable, "-m", "rknn_zoo_e2e", "fetch", "yolov8n-pose"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"E2ERKNN_WEIGHTS": "", "XDG_CACHE_HOME": str(tmp_path)},
    )
    assert out.returncode == 1 and "[hub]" in out.stderr and "Traceback" not in out.stderr


@pytest.mark.skipif(find_spec("torch") is not None, reason="only where nothing heavy is installed")
def test_a_report_needs_nothing_heavy(tmp_path: Path):
    command = [sys.executable, "-m", "rknn_zoo_e2e", "convert", "shapes", "--soc", "rk3566", "--debug"]
    out = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    (path,) = tmp_path.glob("e2erknn-debug-*.txt")
    text = path.read_text()
    assert out.returncode == 1 and f"Report: {path.name}" in out.stderr
    assert "torch -" in text and "huggingface_hub -" in text
    assert "not to be had" not in text and str(tmp_path) not in text


def test_a_page_about_a_bundle_needs_nothing_heavy(tmp_path: Path):
    bundle = known(tmp_path)
    code = (
        "import sys\nfrom rknn_zoo_e2e import report\n"
        f"print(report({str(bundle.path)!r}, 'page.html')['bytes'])\n"
        f"print([m for m in {set(HEAVY) - {'cv2'}} if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert out.stdout.splitlines() == [str((tmp_path / "page.html").stat().st_size), "[]"], out.stderr


def test_the_api_is_what_it_says_however_often_it_is_imported():
    """No module of the package has the name of a function in it: importing one would put it in the other's place."""
    code = (
        "import inspect, sys, rknn_zoo_e2e as e, rknn_zoo_e2e.cli.app\n"
        "from rknn_zoo_e2e import *\nfrom rknn_zoo_e2e.conversion import pipeline\n"
        "from rknn_zoo_e2e import *\n"
        "for name in e.__all__:\n"
        "    same = getattr(e, name)\n"
        "    assert globals()[name] is same and (inspect.isfunction(same) or inspect.isclass(same)), name\n"
        "heavy = ('torch', 'ultralytics', 'rknn', 'onnx', 'huggingface_hub')\n"
        "print(len(e.__all__), [m for m in heavy if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert out.returncode == 0 and out.stdout.strip() == "10 []", out.stderr
