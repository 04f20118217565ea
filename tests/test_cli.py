"""The command line where it needs no build: help, refusals, listings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.cli import cost_of, cpu_seconds, run

from rknn_zoo_e2e.tasks.registry import TASKS
from rknn_zoo_e2e.zoo import catalogue


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        [],
        ["list"],
        ["info"],
        ["fetch"],
        ["convert"],
        ["inspect"],
        ["demo"],
        ["bench"],
        ["eval"],
        ["publish"],
        ["pull"],
        ["doctor"],
    ],
)
def test_help_is_quick_and_has_an_example(tmp_path: Path, command):
    spent = []
    for _ in range(3):
        start = cpu_seconds()
        out = run(*command, "--help", cwd=tmp_path)
        spent.append(cpu_seconds() - start)
    assert out.returncode == 0 and "e2erknn" in out.stdout
    assert min(spent) < 5 * cost_of("typer", "rich.console", "rich.table"), "numpy alone would be as much again"
    if command:
        assert "Example:" in out.stdout


REFUSED = [
    (["--soc", "rk9999"], "rk3566, rk3568"),
    (["--soc", "rv1106", "--precision", "fp16"], "--precision int8"),
    (["--soc", "rk3566", "--precision", "int4"], "int8, fp16"),
    (["--soc", "rk3566", "--imgsz", "600"], "--imgsz 608"),
    (["--soc", "rk3566", "--imgsz", "0"], "--imgsz 32"),
    (["--soc", "rk3566", "--imgsz", "wide"], "480,640"),
    (["--soc", "rk3566", "--layout", "round"], "flat, grid"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("args", "hint"), REFUSED)
def test_wrong_use_is_refused_before_any_work(tmp_path: Path, args, hint):
    heavy = cost_of("torch")
    start = cpu_seconds()
    out = run("convert", "shapes", *args, cwd=tmp_path)
    assert out.returncode == 2 and hint in out.stderr and "Traceback" not in out.stderr
    assert cpu_seconds() - start < heavy and not list(tmp_path.iterdir())


def test_errors_are_two_sentences_and_one_document(tmp_path: Path):
    out = run("convert", "yolov8nn", "--soc", "rk3566", "--json", cwd=tmp_path)
    assert out.returncode == 2
    error = json.loads(out.stdout)["error"]
    assert "neither a model" in error["what"] and "yolov8n" in error["fix"]
    assert out.stderr.strip().splitlines() == [f"Error: {error['what']}", error["fix"]]


@pytest.mark.slow
def test_a_custom_model_needs_calibration_pictures(tmp_path: Path, models: Path):
    (tmp_path / "mine.pt").write_bytes((models / "weights/shapes.pt").read_bytes() + b"trained further")
    out = run("convert", "mine.pt", "--soc", "rk3566", cwd=tmp_path)
    assert out.returncode == 2 and "--calib" in out.stderr
    (tmp_path / "list.txt").write_text("gone.jpg\n")
    for calib, expected in (("nowhere", "does not exist"), (".", "No pictures"), ("list.txt", "1 missing pictures")):
        out = run("convert", "mine.pt", "--soc", "rk3566", "--calib", calib, cwd=tmp_path)
        assert out.returncode != 0 and expected in out.stderr, out.stderr


@pytest.mark.slow
def test_list_shows_what_is_here(tmp_path: Path):
    rows = json.loads(run("list", "--json", cwd=tmp_path).stdout)
    assert [r["name"] for r in rows] == [*catalogue()] and {r["task"] for r in rows} == {*TASKS}
    assert [r["name"] for r in rows if r["local"] and r["family"] == "shapes"] == [
        "shapes",
        "shapes-pose",
        "shapes-seg",
        "shapes-obb",
    ]
    assert len(json.loads(run("list", "yolo11*-seg", "--json", cwd=tmp_path).stdout)) == 5
    assert run("list", "resnet", cwd=tmp_path).returncode == 2


@pytest.mark.slow
def test_info_tells_what_a_checkpoint_is(tmp_path: Path):
    facts = json.loads(run("info", "shapes-pose", "--json", cwd=tmp_path).stdout)
    assert facts["task"] == "pose" and facts["outputs"]["output0"]["keypoints"] == 21
    assert facts["metrics"]["pose"]["map"] > 0.8 and facts["license"] == "AGPL-3.0"


@pytest.mark.slow
def test_demo_refuses_what_it_cannot_use(tmp_path: Path):
    assert run("demo", "nope.jpg", cwd=tmp_path).returncode == 2
    (tmp_path / "x.jpg").write_bytes(b"no picture")
    out = run("demo", "x.jpg", "--model", "shapes", cwd=tmp_path)
    assert out.returncode == 1 and "x.jpg is not a picture" in out.stderr


@pytest.mark.slow
def test_demo_on_the_checkpoint_itself(tmp_path: Path, models: Path):
    out = run("demo", models / "sample.jpg", "--model", "shapes", "--json", cwd=tmp_path)
    document = json.loads(out.stdout)
    assert document["backend"] == "torch" and len(document["images"][0]["detections"]) >= 3
    assert Path(tmp_path / document["images"][0]["drawn"]).is_file()


@pytest.mark.slow
def test_a_bad_picture_in_a_folder_is_skipped(tmp_path: Path, models: Path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a.jpg").write_bytes((models / "sample.jpg").read_bytes())
    (folder / "b.jpg").write_bytes(b"")
    out = run("demo", folder, "--model", "shapes", "--json", cwd=tmp_path)
    assert out.returncode == 1 and "b.jpg is empty" in out.stderr
    assert [Path(i["path"]).name for i in json.loads(out.stdout.splitlines()[0])["images"]] == ["a.jpg"]
