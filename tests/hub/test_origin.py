"""Whose weights a bundle was made from: what its card says of them, and which checkpoint stands in for it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from bundles import SHAPES, SPEC, cli, make
from support.cli import run
from support.mirror import Mirror

from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.checksum import sha256
from rknn_zoo_e2e.runtime.loading import load
from rknn_zoo_e2e.zoo.identity import identity_of_bundle


@pytest.mark.slow
@pytest.mark.parametrize(
    ("weights_sha256", "zoo", "names", "kind"),
    [
        (SHAPES, "", 5, "zoo"),
        (SHAPES, "shapes", 5, "zoo"),
        (SHAPES, "", 4, "own"),  # it says of itself what cannot be
        ("a" * 64, "", 80, "own"),  # called yolov8n, as anybody's may be
        ("a" * 64, "yolov8n", 80, "named"),
        ("a" * 64, "yolov8n", 5, "own"),
        ("a" * 64, "yolov9000", 80, "own"),
    ],
)
def test_whose_weights_a_bundle_holds(home: Path, weights_sha256, zoo, names, kind):
    from rknn_zoo_e2e.publishing.card import front_matter, licences
    from rknn_zoo_e2e.publishing.sample import default_picture

    spec = dataclasses.replace(SPEC, name="yolov8n", names=("a",) * names)
    bundle = make(home, spec=spec, weights=weights_sha256, zoo=zoo)
    bundle.origin = {key: value for key, value in bundle.origin.items() if key != "license" or kind != "own"}
    assert identity_of_bundle(bundle).kind == kind
    said, front = licences(bundle), front_matter([bundle])
    assert ("starter model" in said) == (kind == "zoo") and ("base_model: Ultralytics/YOLOv8" in front) == (
        kind == "named"
    )
    assert ("the publisher's own checkpoint" in said) == (kind == "own") and "license: agpl-3.0" in front
    assert (default_picture(bundle) is None) == (kind == "own") and "None" not in said
    facts = json.loads(cli("info", bundle.path, "--json", cwd=home).stdout)
    assert facts["identity"] == kind and ("metrics" in facts) == (kind == "zoo")


def test_a_model_the_hub_has_not_is_of_ultralytics_assets(home: Path):
    from rknn_zoo_e2e.publishing.card import front_matter, licences

    spec = dataclasses.replace(SPEC, name="yolo12n", names=("a",) * 80)
    bundle = make(home, spec=spec, weights="a" * 64, zoo="yolo12n")
    assets = "https://github.com/ultralytics/assets/releases/tag/v8.4.0"
    assert f"- Weights: AGPL-3.0, yolo12n of [Ultralytics' assets v8.4.0]({assets}) (SHA-256 " in licences(bundle)
    assert "base_model" not in front_matter([bundle])


@pytest.mark.slow
@pytest.mark.parametrize("same", [True, False])
def test_only_the_same_weights_stand_in_for_a_bundle(home: Path, models: Path, same: bool):
    spec = dataclasses.replace(SPEC, name="mine", names=tuple("abcde"))
    content = torch.load(models / "weights/shapes.pt", map_location="cpu", weights_only=False)
    own = home / "here/mine.pt"
    torch.save({**content, "epoch": 3}, own)
    bundle = make(home, spec=spec, weights=sha256(own) if same else "a" * 64)
    if same:
        with load(bundle.path, backend="torch") as predictor:
            assert predictor.spec.name == "mine" and predictor.spec.imgsz == SPEC.imgsz
        return
    with pytest.raises(UserError, match=r"no mine\.pt has its sha256.*--backend onnx"):
        load(bundle.path, backend="torch")


def test_a_starter_model_stands_in_for_its_bundle_under_any_name(home: Path):
    bundle = make(home, spec=dataclasses.replace(SPEC, name="mine", names=tuple("abcde")), weights=SHAPES)
    with load(bundle.path, backend="torch") as predictor:
        assert predictor.backend == "torch" and predictor.spec.names[0] == "triangle"


def test_to_pytorch_a_name_of_the_zoo_is_the_checkpoint(home: Path):
    """Though a bundle of that name, of other weights, lies here."""
    make(home / "here", spec=dataclasses.replace(SPEC, name="shapes"))
    with load("Shapes", backend="torch") as predictor:
        assert predictor.spec.imgsz == (320, 320) and len(predictor.spec.names) == 5


@pytest.mark.parametrize(
    ("name", "zoo", "advised"),
    [("yolov8n", "yolov8n", "yolov8n"), ("yolov8n", "", "yolov8n.pt"), ("mine", "shapes", "mine.pt")],
)
def test_what_is_advised_builds_the_same_model(home: Path, name: str, zoo: str, advised: str):
    bundle = read_bundle(make(home, spec=dataclasses.replace(SPEC, name=name), zoo=zoo).path)
    with pytest.raises(UserError, match=f"e2erknn convert {advised} --soc rk3588"):
        bundle.artifact("rk3588")


@pytest.mark.slow
@pytest.mark.parametrize("same", [True, False])
def test_the_checkpoint_of_a_zoo_model_is_fetched_and_compared(home: Path, models: Path, same: bool):
    """Where its bundle came from another machine, which said that it was made from the zoo's."""
    mirror = Mirror()
    torch.save({**torch.load(models / "weights/shapes.pt", weights_only=False), "epoch": 3}, home / "theirs.pt")
    content = (home / "theirs.pt").read_bytes()
    mirror.files["/releases/v8.4.0/yolov8n.pt"] = content
    spec = dataclasses.replace(SPEC, name="yolov8n", names=("a",) * 80)
    bundle = make(home, spec=spec, weights=sha256(home / "theirs.pt") if same else "a" * 64, zoo="yolov8n")
    picture = models / "sample.jpg"
    out = run("demo", picture, "--model", bundle.path, "--backend", "torch", cwd=home / "here", env=mirror.env(home))
    mirror.shutdown()
    mirror.server_close()
    assert ": fetch" in out.stderr
    assert out.returncode == (0 if same else 1) and ("no yolov8n.pt has its sha256" in out.stderr) != same, out.stderr
