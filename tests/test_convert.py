"""The main job, end to end through the real CLI with the vendor's toolkit, on the starter models."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from support.cli import COMMAND, PATIENCE, cost_of, cpu_seconds, run

from rknn_zoo_e2e.bundle.reader import read_bundle

pytestmark = pytest.mark.slow

QUICK = ("--calib-images", "8")


def bundle_of(converted: Path, name: str, into: Path) -> Path:
    """A copy of a bundle to do things to."""
    return Path(shutil.copytree(converted / f"{name}_rknn_model", into / f"{name}_rknn_model"))


def test_report_has_the_documented_shape(converted: Path):
    for document in json.loads((converted / "report.json").read_text()):
        assert {"model", "task", "bundle", "artifacts"} <= document.keys()
        (artifact,) = document["artifacts"]
        known = {"soc", "precision", "layout", "file", "sha256", "bytes", "toolkit", "placement", "parity", "seconds"}
        assert known | {"predicted", "measured"} == set(artifact) and artifact["layout"] == "flat"
        assert 0 < artifact["predicted"]["low"] < artifact["predicted"]["ms"] < artifact["predicted"]["high"]
        assert (
            artifact["parity"]["passed"] and artifact["parity"]["recall"] > 0.9 and artifact["parity"]["detections"] > 5
        )
        placement = artifact["placement"]
        assert placement["npu"] > 50 and placement["traffic_kb"] > 1000 and placement["cycles"] > 1e6
        # On this SoC, in this layout, the last flatten is all the NPU leaves over.
        assert [op["op"] for op in placement["cpu"]] == ["Reshape"]


@pytest.mark.parametrize("name", ["shapes", "shapes-pose", "shapes-seg", "shapes-obb"])
def test_demo_in_the_simulator_agrees_with_fp32(converted: Path, models: Path, tmp_path: Path, name):
    picture = models / ("sample-pose.jpg" if name == "shapes-pose" else "sample.jpg")
    found = {}
    for backend in ("simulator", "onnx"):
        args = ("demo", picture, "--model", converted / f"{name}_rknn_model", "--backend", backend, "--json")
        out = run(*args, cwd=tmp_path)
        assert out.returncode == 0, out.stderr
        found[backend] = json.loads(out.stdout)["images"][0]["detections"]
    assert len(found["simulator"]) >= 2
    assert sorted(d["label"] for d in found["simulator"]) == sorted(d["label"] for d in found["onnx"])
    key = {"shapes-pose": "keypoints", "shapes-seg": "polygons", "shapes-obb": "obb"}.get(name, "box")
    for one in found["simulator"]:
        assert key in one and one["score"] > 0.4
        nearest = min(found["onnx"], key=lambda other: np.abs(np.subtract(other["box"], one["box"])).sum())
        assert np.abs(np.subtract(nearest["box"], one["box"])).max() < 8


def test_the_simulator_rebuilds_exactly_what_was_verified(converted: Path, models: Path):
    """No recalibration: the outputs behind the recorded parity come out again."""
    from rknn_zoo_e2e.conversion.verify import Parity
    from rknn_zoo_e2e.quantization.calibration import from_shapes
    from rknn_zoo_e2e.runtime.loading import load
    from rknn_zoo_e2e.runtime.onnx import OnnxRuntime
    from rknn_zoo_e2e.vision.letterbox import Letterbox

    bundle = read_bundle(converted / "shapes_rknn_model")
    calibration, parity = from_shapes(8, pose=False), Parity(bundle.spec)
    fp32 = OnnxRuntime(bundle.onnx)
    with load(bundle.path, backend="simulator") as predictor:
        for index in range(6):
            image = calibration.read(index)
            letterbox = Letterbox.of(image, bundle.spec.imgsz)
            rgb = letterbox.apply(image)
            parity.add(fp32.infer(rgb), predictor.infer(rgb), letterbox)
    assert parity.report() == bundle.artifacts[0].parity


def test_the_same_command_again_is_quick_and_changes_nothing(converted: Path, tmp_path: Path):
    path = bundle_of(converted, "shapes", tmp_path)
    before = {p.name: p.stat().st_mtime_ns for p in path.iterdir()}
    heavy = cost_of("torch")
    start = cpu_seconds()
    out = run("convert", "shapes", "--soc", "rk3566", *QUICK, "--json", cwd=tmp_path)
    assert cpu_seconds() - start < heavy
    assert json.loads(out.stdout)["reused"] == ["shapes-rk3566-int8.rknn"]
    assert {p.name: p.stat().st_mtime_ns for p in path.iterdir()} == before


def test_a_damaged_graph_is_made_again(converted: Path, tmp_path: Path):
    graph = bundle_of(converted, "shapes", tmp_path) / "model.onnx"
    whole = graph.read_bytes()
    graph.write_bytes(whole + b"x")
    out = run("convert", "shapes", "--soc", "rk3566", "--calib-images", 8, cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    assert graph.read_bytes() == whole


def test_another_soc_joins_and_another_size_is_refused(converted: Path, tmp_path: Path):
    path = bundle_of(converted, "shapes", tmp_path)
    out = run("convert", "shapes", "--soc", "rk3566", "--soc", "rv1106", *QUICK, cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    held = read_bundle(path)
    assert [a.soc for a in held.artifacts] == ["rk3566", "rv1106"]
    out = run("convert", "shapes", "--soc", "rk3588", "--imgsz", "256", *QUICK, cwd=tmp_path)
    assert out.returncode == 1 and "--overwrite" in out.stderr
    assert read_bundle(path) == held


def test_fp16_and_two_socs_side_by_side(tmp_path: Path):
    args = ("convert", "shapes", "--soc", "rk3588", "--soc", "rk3566", "--precision", "fp16", "--jobs", "2")
    out = run(*args, *QUICK, "--json", cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    document = json.loads(out.stdout)
    assert [a["parity"]["passed"] for a in document["artifacts"]] == [True, True]
    lines = [line for line in out.stderr.splitlines() if "fp16:" in line]
    starts = [i for i, line in enumerate(lines) if line.endswith(": start")]
    assert starts == [0, 1], "the second build begins before the first one ends"


def test_fp16_without_pictures_says_so_and_is_verified_with_some(tmp_path: Path, models: Path):
    (tmp_path / "mine.pt").write_bytes((models / "weights/shapes.pt").read_bytes() + b"trained further")
    shutil.copy(models / "sample.jpg", tmp_path / "picture.jpg")
    args = ("convert", "mine.pt", "--soc", "rk3588", "--precision", "FP16", "--json")
    first, *others = (run(*args, *more, cwd=tmp_path) for more in ((), ("--calib=picture.jpg",), ()))
    assert first.returncode == 0 and "Not verified: mine-rk3588-fp16.rknn." in first.stderr, first.stderr
    assert "--calib" in first.stderr.splitlines()[-1]
    document = json.loads(first.stdout)
    assert document["unverified"] == ["mine-rk3588-fp16.rknn"] and document["artifacts"][0]["parity"] == {}
    for out, reused in zip(others, ([], ["mine-rk3588-fp16.rknn"]), strict=True):
        document = json.loads(out.stdout)
        assert out.returncode == 0 and "Not verified" not in out.stderr and document["reused"] == reused
        assert document["unverified"] == [] and document["artifacts"][0]["parity"]["passed"]


def test_bad_pictures_are_skipped_and_told_once(tmp_path: Path, models: Path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(3):
        shutil.copy(models / "sample.jpg", folder / f"{index}.jfif")
    (folder / "cut.jpg").write_bytes((models / "sample.jpg").read_bytes()[:2000])
    os.mkfifo(folder / "pipe.jpg")
    (folder / "labels.txt").touch()
    args = ("convert", "shapes", "shapes-seg", "--soc", "rk3588,RV1106", "--calib", "pictures", "--no-verify", "-j2")
    out = run(*args, "--json", cwd=tmp_path, timeout=PATIENCE)
    assert out.returncode == 0, out.stderr
    assert out.stderr.count("cut.jpg") == out.stderr.count("pipe.jpg") == out.stderr.count("passed over") == 1
    for document in json.loads(out.stdout):
        assert [artifact["soc"] for artifact in document["artifacts"]] == ["rk3588", "rv1106"]
        used = document["calibration"]
        assert used["pictures"] == 3 and len(used["skipped"]) == 2 and used["passed_over"] == {".txt": 1}


def custom_checkpoint(folder: Path) -> Path:
    """An untrained model of three classes with awkward names."""
    from ultralytics import YOLO

    model = YOLO("yolov8n.yaml")
    model.model.nc = 3
    from ultralytics.nn.tasks import DetectionModel

    model.model = DetectionModel("yolov8n.yaml", nc=3, verbose=False)
    model.model.names = {0: "naïve ünïcode", 1: "a: b #c", 2: "'quoted' \"name\""}
    model.model.args = {"imgsz": 640}
    path = folder / "my model.pt"
    model.save(path)
    return path


@pytest.mark.parametrize("imgsz", ["320", "480,640"])
def test_custom_model_of_any_size(tmp_path: Path, models: Path, imgsz):
    path = custom_checkpoint(tmp_path)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in ("sample.jpg", "sample-pose.jpg"):
        shutil.copy(models / name, pictures)
    out = run("convert", path, "--soc", "rk3566", "--imgsz", imgsz, "--calib", "pictures", "--json", cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    bundle = Path(tmp_path / json.loads(out.stdout)["bundle"])
    assert (bundle / "labels.txt").read_text(encoding="utf-8").splitlines() == [
        "naïve ünïcode",
        "a: b #c",
        "'quoted' \"name\"",
    ]
    metadata = yaml.safe_load((bundle / "metadata.yaml").read_text(encoding="utf-8"))
    assert metadata["names"][0] == "naïve ünïcode"
    assert metadata["imgsz"] == ([320, 320] if imgsz == "320" else [480, 640])
    out = run("demo", pictures / "sample.jpg", "--backend", "simulator", "--conf", "0.001", cwd=tmp_path)
    assert out.returncode == 0, out.stderr


def test_verified_on_pictures_that_show_something(tmp_path: Path, models: Path):
    """Where two of twelve do, and not those an even choice would take."""
    for index in range(12):
        if index in (3, 9):
            shutil.copy(models / "sample.jpg", tmp_path / f"{index:02}.jpg")
        else:
            Image.new("RGB", (320, 320), (index, 90, 160)).save(tmp_path / f"{index:02}.jpg")
    args = ("convert", "shapes", "--soc", "rk3588", "--calib", tmp_path, "--json")
    parity = json.loads(run(*args, cwd=tmp_path).stdout)["artifacts"][0]["parity"]
    assert parity["pictures"] == 6 and parity["detections"] >= 4


def test_nothing_private_is_left_in_a_bundle(converted: Path):
    for path in (converted / "shapes_rknn_model").iterdir():
        content = path.read_bytes()
        for private in (b"/tmp/", str(Path.home()).encode() + b"/", str(converted).encode()):
            assert private not in content, f"{path.name}: {private!r} {content[content.find(private) - 40 :][:120]!r}"


def start(folder: Path, *args: str) -> subprocess.Popen:
    return subprocess.Popen(
        [*COMMAND, "convert", "shapes", "--soc", "rk3566", "--calib-images", "40", *args],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(process: subprocess.Popen, stage: str) -> None:
    """Reads progress until a stage of the build begins."""
    for line in process.stderr:
        if line.rstrip().endswith(f"int8: {stage}"):
            return
    raise AssertionError(f"{stage} never came")


def workers(process: subprocess.Popen) -> list[int]:
    """Process ids of its toolkit workers."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == process.pid:
            found.append(int(stat.parent.name))
    return found


def test_ctrl_c_leaves_nothing_and_no_process(tmp_path: Path):
    process = start(tmp_path)
    until(process, "prepare")
    (worker,) = workers(process)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and "Interrupted" in error and "Traceback" not in error
    assert not list(tmp_path.iterdir()) and not Path(f"/proc/{worker}").exists()


def test_tampered_bundle_is_refused(converted: Path, tmp_path: Path, models: Path):
    path = bundle_of(converted, "shapes", tmp_path)
    onnx = path / "model.onnx"
    onnx.write_bytes(onnx.read_bytes()[:-1] + b"!")
    for args in (("demo", models / "sample.jpg", "--model", path), ("inspect", path)):
        out = run(*args, cwd=tmp_path)
        assert out.returncode == 1 and "checksum differs" in out.stderr
