"""Checkpoints are loaded without running what is in them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from rknn_zoo_e2e.checkpoint import load_model
from rknn_zoo_e2e.convert.export import spec_of
from rknn_zoo_e2e.errors import UserError


class Calls:
    """Pickles as a call."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def hostile(path: Path) -> dict[str, object]:
    from ultralytics.nn.tasks import DetectionModel

    touch = f"touch {path}"
    return {
        "os.system": Calls(os.system, touch),
        "eval": Calls(eval, f"__import__('os').system({touch!r})"),
        "a constructor that evaluates its yaml": Calls(
            DetectionModel, {"activation": f"__import__('os').system({touch!r})", "nc": 1, "backbone": [], "head": []}
        ),
        "getattr": Calls(getattr, torch.nn.Conv2d, "__init__"),
    }


@pytest.mark.parametrize("kind", hostile(Path()).keys())
def test_code_in_a_checkpoint_is_refused_and_never_runs(tmp_path: Path, kind):
    touched = tmp_path / "touched"
    torch.save({"model": hostile(touched)[kind]}, tmp_path / "evil.pt")
    with pytest.raises(UserError, match="not a plain YOLO checkpoint"):
        load_model(tmp_path / "evil.pt")
    assert not touched.exists()


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 not a zip", None])
def test_damaged_checkpoints_are_named(tmp_path: Path, models: Path, content):
    path = tmp_path / "x.pt"
    path.write_bytes((models / "weights/shapes.pt").read_bytes()[:200_000] if content is None else content)
    with pytest.raises(UserError, match=r"x\.pt is empty, damaged or not"):
        load_model(path)


def test_other_pickles_are_not_models(tmp_path: Path):
    torch.save({"weights": torch.zeros(3)}, tmp_path / "x.pt")
    with pytest.raises(UserError, match="not an Ultralytics"):
        load_model(tmp_path / "x.pt")


def test_a_classifier_is_refused(tmp_path: Path):
    from ultralytics import YOLO

    YOLO("yolov8n-cls.yaml").save(tmp_path / "cls.pt")
    with pytest.raises(UserError, match="classify model"):
        spec_of(load_model(tmp_path / "cls.pt"), "cls")


def test_starter_models_load(models: Path):
    for name, task in (("shapes", "detect"), ("shapes-pose", "pose"), ("shapes-seg", "segment"), ("shapes-obb", "obb")):
        spec = spec_of(load_model(models / f"weights/{name}.pt"), name)
        assert (spec.task, spec.imgsz) == (task, (320, 320))
