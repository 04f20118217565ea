"""The public names: the example in each one's docstring runs, with a Hub on this machine; and what callers rely on."""

from __future__ import annotations

import copy
import doctest
import os
import pickle
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from server import Hub

import rknn_zoo_e2e
from rknn_zoo_e2e import convert, evaluate, load, publish, pull
from rknn_zoo_e2e.api.convert import Converted
from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.bundle.writer import write_bundle
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.media import synthetic

pytestmark = pytest.mark.slow

PICTURES, SIDE = 8, 320  # of the data set; its pictures in px
PUBLIC = [*rknn_zoo_e2e.__all__, "ultralytics.single"]


def run_example(name: str) -> None:
    """Runs the example of a public name in the working folder; fails where it has none, or says something else."""
    module, _, last = f"rknn_zoo_e2e.{name}".rpartition(".")
    found = getattr(import_module(module), last)
    document = found.__doc__.partition("Example:")[2]
    example = doctest.DocTestParser().get_doctest(document, {}, name, found.__module__, 0)
    assert example.examples, f"{name} has no example"
    said: list[str] = []
    outcome = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example, out=said.append)
    assert not outcome.failed, "".join(said)


def draw_data(folder: Path) -> None:
    """A data set of drawn shapes in Ultralytics' layout."""
    for part in ("images/val", "labels/val"):
        (folder / part).mkdir(parents=True)
    for seed in range(PICTURES):
        image, shapes = synthetic.draw_scene(6_000_000 + seed, (SIDE, SIDE))
        Image.fromarray(image).save(folder / f"images/val/{seed}.png")
        corners = np.array([shape.box for shape in shapes]).reshape(-1, 2, 2) / SIDE
        boxes = np.hstack([corners.mean(1), corners[:, 1] - corners[:, 0]])
        lines = [f"{s.class_id} {' '.join(f'{v:.6f}' for v in box)}" for s, box in zip(shapes, boxes, strict=True)]
        (folder / f"labels/val/{seed}.txt").write_text("\n".join(lines))
    data = {"train": "images/val", "val": "images/val", "names": dict(enumerate(synthetic.NAMES))}
    (folder / "data.yaml").write_text(yaml.safe_dump(data))


@pytest.fixture(scope="module")
def made(tmp_path_factory, models: Path) -> Path:
    """What the examples find in their working folder: the bundle that convert's made, a picture, a data set."""
    folder = tmp_path_factory.mktemp("examples")
    draw_data(folder / "shapes")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run_example("convert")
    shutil.copy(models / "sample.jpg", folder)
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch) -> Path:
    """A working folder of one's own with all that."""
    folder = Path(shutil.copytree(made, tmp_path / "here"))
    monkeypatch.chdir(folder)
    return folder


def test_evaluating_prints_nothing_of_ultralytics(here: Path):
    """Also in a program that uses Ultralytics itself, whose lines and bars go to stdout."""
    code = (
        "import ultralytics.models.yolo, ultralytics.utils as u; level = u.LOGGER.level\n"
        "from rknn_zoo_e2e import evaluate\nevaluate('shapes_rknn_model', 'shapes/data.yaml', 'onnx', images=2)\n"
        "assert u.LOGGER.level == level"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=here, capture_output=True, text=True)
    assert (out.returncode, out.stdout) == (0, ""), out.stderr


@pytest.mark.parametrize("name", PUBLIC)
def test_the_example_runs(hub: Hub, here: Path, name):
    if name == "pull":
        publish("shapes_rknn_model", "me/shapes-rknn", draw=False)
    run_example(name)


def test_old_ways_with_what_convert_returns_keep_working(here: Path):
    """It was a Path up to 0.1."""
    path = Path("shapes_rknn_model")
    result = convert("shapes", ["rk3566"], calib_images=8)
    assert str(result) == f"{result}" == os.fspath(result) == "shapes_rknn_model" and Path(result) == path
    assert result == path and path == result and result in {path} and result != here
    assert (result / "labels.txt").read_text() == (path / "labels.txt").read_text()
    assert result.name == "shapes_rknn_model" and result.is_dir() and list(result.glob("*.rknn"))
    assert {copy.deepcopy(result), pickle.loads(pickle.dumps(result))} == {result}
    with pytest.raises(AttributeError):
        _ = result.no_such_thing
    with load(result, backend="onnx") as predictor:
        assert len(predictor("sample.jpg"))


def test_parity_is_an_error_only_if_asked(here: Path):
    """The bundle on disk says that it disagrees, as after a bad calibration; it is reused as it is."""
    bundle = read_bundle(Path("shapes_rknn_model"))
    bundle.artifacts[0].parity |= {"passed": False}
    write_bundle(bundle, {})
    with pytest.warns(UserWarning, match="shapes_rknn_model disagrees with fp32"):
        result = convert("shapes", "rk3566", calib_images=8)
    assert isinstance(result, Converted) and not result.passed and result.disagreeing == ("rk3566",)
    assert [artifact.soc for artifact in result.artifacts] == ["rk3566"] and not result.parity["rk3566"]["passed"]
    with pytest.raises(UserError, match=r"shapes_rknn_model disagrees with fp32\. See: e2erknn inspect"):
        convert("shapes", "rk3566", calib_images=8, check=True)


def test_what_agrees_passes_the_check_and_warns_of_nothing(here: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert convert("shapes", "rk3566", calib_images=8, check=True).passed


def test_a_dry_run_changes_nothing(hub: Hub, here: Path):
    planned = publish(["shapes_rknn_model"], draw=False, dry_run=True)
    assert planned.repo == "me/shapes_rknn_model" and planned.url == "" and planned.card.startswith("---")
    assert not hub.repos
    assert publish("shapes_rknn_model", draw=False).changed == planned.changed


def test_python_refuses_what_the_commands_refuse(hub: Hub, here: Path):
    calls = [
        lambda: publish("shapes_rknn_model", "no owner"),
        lambda: publish([], "me/shapes"),
        lambda: pull("me/shapes", soc="rk9"),
        lambda: pull("me/shapes", precision="int4"),
        lambda: evaluate("shapes", "shapes/data.yaml", split="all"),
        lambda: evaluate("shapes", "shapes/data.yaml", images=0),
    ]
    for call in calls:
        with pytest.raises(UsageError):
            call()
    with pytest.raises(UserError, match="nothing_rknn_model"):
        publish("nothing_rknn_model", "me/shapes")


def test_figures_are_kept_for_the_card_unless_not_wanted(here: Path):
    arguments = {"model": here / "shapes_rknn_model", "data": here / "shapes/data.yaml", "backend": "onnx"}
    report = evaluate(**arguments, keep=False)
    assert report["images"] == PICTURES and not read_bundle(here / "shapes_rknn_model").artifacts[0].evaluations
    stages: list[str] = []
    assert evaluate(**arguments, on_stage=lambda stage, share: stages.append(stage)) == report
    (figures,) = read_bundle(here / "shapes_rknn_model").artifacts[0].evaluations
    assert figures["metrics"] == report["metrics"] and figures["data"] == "shapes" and {"load", "onnx"} <= {*stages}


def test_a_repo_at_a_revision_is_pulled_whole(hub: Hub, here: Path, tmp_path: Path):
    done = publish("shapes_rknn_model", "me/shapes-rknn", draw=False)
    path = pull(f"me/shapes-rknn@{done.commit}", out=tmp_path / "out")
    assert replace(read_bundle(path), path=here) == replace(read_bundle(here / "shapes_rknn_model"), path=here)
