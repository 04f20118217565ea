"""A task, a backend and a SoC that this project has not, added from outside by the steps of docs/adding.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from support.board import make_bundle
from typer.testing import CliRunner

from rknn_zoo_e2e import Result, UserError, load
from rknn_zoo_e2e.boards.probe import board_soc
from rknn_zoo_e2e.boards.soc import SOCS, Soc, find_soc
from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.cli.app import app
from rknn_zoo_e2e.conversion.options import Options
from rknn_zoo_e2e.errors import UsageError
from rknn_zoo_e2e.measure.bench import bench
from rknn_zoo_e2e.publishing.card import make_card
from rknn_zoo_e2e.runtime import registry as backends
from rknn_zoo_e2e.runtime.base import Prepared
from rknn_zoo_e2e.tasks import registry as tasks
from rknn_zoo_e2e.tasks.base import Candidates, Task, Thresholds
from rknn_zoo_e2e.tasks.outputs import Channels
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.vision.letterbox import Letterbox
from rknn_zoo_e2e.vision.tensors import Raw
from rknn_zoo_e2e.zoo.card_reader import read_family

SPEC = ModelSpec("needles", "heading", ("a", "b"), (64, 96))
SOURCE = (128, 192)  # (height, width) of the pictures, px: twice the model's input


class HeadingTask(Task):
    """Boxes, each with the point its object looks at."""

    @property
    def extra(self) -> tuple[Channels, ...]:
        return (Channels("tip", 2, "x, y normalised to the input (0..1)"),)

    def input_scale(self) -> np.ndarray:
        scale = super().input_scale()
        scale[-2:, 0] = self.spec.imgsz[::-1]
        return scale

    def finish(
        self, result: Result, extra: np.ndarray, found: Candidates, outputs: Sequence[Raw], letterbox: Letterbox
    ) -> None:
        result.keypoints = letterbox.points(extra)[:, None]


HEADING = tasks.TaskFacts(
    name="heading",
    adapter=f"{__name__}:HeadingTask",
    validator="ultralytics.models.yolo.detect:DetectionValidator",
    metrics={"box": "B", "tip": "T"},
    pipeline_tag="object-detection",
    card_line='"tips:", result.keypoints[:, 0].tolist()',
)


def outputs() -> list[np.ndarray]:
    """One object of class b: the box (24, 16)-(72, 48) of the input, looking at (84, 8)."""
    out = np.zeros((1, 8, 126), np.float32)
    out[0, :, 7] = 0.5, 0.5, 0.5, 0.5, 0.05, 0.9, 84 / 96, 8 / 64
    return [out]


class Recorded:
    """A runtime that always answers the same."""

    backend = "recorded"

    def infer(self, rgb: np.ndarray) -> list[np.ndarray]:
        return outputs()

    def close(self) -> None:
        pass


def prepare(bundle: Bundle, soc: str | None, precision: str | None, on_stage: object) -> Prepared:
    return Prepared(bundle.artifact(soc, precision), lambda core: Recorded())


RECORDED = backends.Backend(
    name="recorded",
    title="recording",
    finder="{soc} {precision} build when it was recorded",
    bundles=f"{__name__}:prepare",
    runs_artifact=True,
)


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """After each test nothing is left of what it added."""
    tables: list[dict] = [tasks.TASKS, backends.BACKENDS, SOCS]
    before = [dict(table) for table in tables]
    yield
    for table, content in zip(tables, before, strict=True):
        table.clear()
        table.update(content)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle of the made-up task."""
    tasks.register(HEADING)
    return make_bundle(tmp_path, SPEC, "rk3566")


def test_a_task_decodes_is_checked_and_drawn():
    tasks.register(HEADING)
    task, picture = tasks.task_of(SPEC), np.zeros((*SOURCE, 3), np.uint8)
    with pytest.raises(ValueError, match=r"output0 of shape \(1, 6, 126\), not \(1, 8, ...\)"):
        task.check([outputs()[0][:, :6]])
    task.check(outputs())
    result = task.decode(outputs(), Letterbox.of(picture, SPEC.imgsz), Thresholds())
    np.testing.assert_allclose(result.boxes, [[48, 32, 144, 96]], atol=1e-3)
    np.testing.assert_allclose(result.keypoints, [[[168, 16]]], atol=1e-3)
    [found] = result.to_dict()["detections"]
    assert found["label"] == "b" and found["keypoints"] == [[168, 16]]
    drawn = result.draw(picture)
    assert drawn[16, 168].any() and drawn[96, 100].any() and not picture.any()


def test_a_task_is_listed_and_has_cards(tmp_path: Path):
    tasks.register(HEADING)
    refused = CliRunner().invoke(app, ["list", "--task", "nonsense"])
    assert refused.exit_code == 2 and "detect, pose, segment, obb, heading." in " ".join(refused.output.split())
    model = {"task": "heading", "classes": 2, "metrics": {"box": {"map": 0.5}, "tip": {"map": 0.25}}}
    sources = {"release": {"tag": "v1", "file": "{name}.pt"}}
    family = {"family": "needles", "imgsz": 96, "license": "MIT", "sources": sources, "models": {"needles": model}}
    (tmp_path / "needles.yaml").write_text(yaml.safe_dump(family))
    [card] = read_family(tmp_path / "needles.yaml", ())
    assert card.task == "heading" and card.metrics[HEADING.metric] == {"map": 0.25}


def test_a_task_has_bundles_and_a_model_card(bundle: Path):
    read = read_bundle(bundle)
    assert read.spec == SPEC
    [output] = read.metadata()["outputs"]
    assert [part["kind"] for part in output["channels"]] == ["box", "scores", "tip"]
    text = make_card("me/needles", [read], None)
    assert "pipeline_tag: object-detection" in text and f"print({HEADING.card_line})" in text
    assert "| `output0` | 6 to 7 | tip |" in text
    del tasks.TASKS["heading"]
    with pytest.raises(UserError, match="task is 'heading'"):
        read_bundle(bundle)


def test_a_backend_is_opened_and_predicts(bundle: Path):
    with pytest.raises(UsageError) as caught:
        load(bundle, backend="recorded")
    assert caught.value.fix == "Choose one of: auto, board, native, simulator, onnx, torch."
    backends.register(RECORDED)
    with load(bundle, backend=" Recorded ", cores=2) as predictor:
        assert predictor.backend == "recorded" and predictor.artifact.soc == "rk3566"
        for result in predictor.map([np.zeros((*SOURCE, 3), np.uint8)] * 3):
            np.testing.assert_allclose(result.keypoints, [[[168, 16]]], atol=1e-3)
    with pytest.raises(UsageError) as caught:
        load(bundle, backend="nonsense")
    assert caught.value.fix == "Choose one of: auto, board, native, simulator, onnx, torch, recorded."
    with pytest.raises(UserError, match="shapes is a checkpoint, and backend 'recorded' runs bundles"):
        load("shapes", backend="recorded")


def test_a_backend_is_measured_and_named_in_cards(bundle: Path, tmp_path: Path):
    backends.register(RECORDED)
    Image.new("RGB", SOURCE[::-1]).save(tmp_path / "p.png")
    with load(bundle, backend="recorded") as predictor:
        measured = bench(predictor, [tmp_path / "p.png"], 2, 0, lambda *_: None)
    assert measured["detections"] == 1 and measured["fps"] is None  # it says that it is no NPU
    read = read_bundle(bundle)
    figures = {"backend": "recorded", "data": "d", "images": 1, "metrics": {"tip": {"map50": 0.5, "map": 0.25}}}
    read.artifacts[0].evaluations = [figures]
    text = make_card("me/needles", [read], "sample-rk3566-int8-recorded.jpg")
    assert "Found by the rk3566 int8 build when it was recorded." in text
    assert "| rk3566 int8 | d | 1 | tip | 50.0 | 25.0 | recording |" in text


def test_a_soc_is_found_and_listed(tmp_path: Path):
    last = [*SOCS][-1]
    SOCS["rk4444"] = Soc("rk4444", cores=4, tail="fp16")
    assert find_soc("RK4444").cores == 4
    assert [soc.name for soc in Options.of("rk3566,rk4444").socs] == ["rk3566", "rk4444"]
    with pytest.raises(UsageError) as caught:
        find_soc("nonsense")
    assert caught.value.fix.endswith(f", {last}, rk4444.")
    compatible = tmp_path / "proc/device-tree/compatible"
    compatible.parent.mkdir(parents=True)
    compatible.write_text("maker,board\0rockchip,rk4444\0")
    assert board_soc(tmp_path) == "rk4444"


@pytest.mark.parametrize(
    ("register", "what", "message"),
    [
        (tasks.register, tasks.TASKS["pose"], "task pose is registered already"),
        (backends.register, backends.BACKENDS["onnx"], "backend onnx is registered already"),
        (backends.register, backends.Backend("auto", "", ""), "backend auto is registered already"),
        (backends.register, backends.Backend("My NPU", "", ""), "the name of a backend is 'My NPU'"),
    ],
)
def test_nothing_is_registered_over_another_or_under_a_name_that_cannot_be(register, what, message):
    with pytest.raises(ValueError, match=message):
        register(what)


def test_artifacts_of_an_unknown_backend_are_still_shown(bundle: Path):
    """A card made with another version, which knew one backend more."""
    read = read_bundle(bundle)
    artifact: Artifact = read.artifacts[0]
    artifact.evaluations = [{"backend": "other", "data": "d", "images": 1, "metrics": {"box": {"map50": 1, "map": 1}}}]
    assert "| fp32 | d | 1 | box | 100.0 | 100.0 | other |" in make_card("me/needles", [read], None)
