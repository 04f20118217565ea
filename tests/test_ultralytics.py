"""Bundles in Ultralytics' own hands: stock ``YOLO("…_rknn_model")``, nothing of it changed, finds what we find.

All four tasks go through stock Ultralytics. No board is needed: ``tests/standin`` has a ``rknnlite`` that answers from
the vendor's simulator, and Ultralytics is told that this machine is a Rockchip board with the vendor's package on it.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest
from support.bundle import made

from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.bundle.writer import write_bundle
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.runtime.loading import load
from rknn_zoo_e2e.tasks.result import Result
from rknn_zoo_e2e.ultralytics import single

pytestmark = pytest.mark.slow

STANDIN = Path(__file__).parent / "standin"
STARTERS = ["shapes", "shapes-pose", "shapes-seg", "shapes-obb"]


@pytest.fixture
def board(monkeypatch):
    """This machine as a board with an rk3566, as far as Ultralytics can tell."""
    monkeypatch.syspath_prepend(STANDIN)
    monkeypatch.setenv("RKNNLITE_STANDIN_SOC", "rk3566")
    monkeypatch.setenv("ULTRALYTICS_SKIP_REQUIREMENTS_CHECKS", "1")  # it would install rknn-toolkit-lite2
    monkeypatch.setattr("ultralytics.nn.backends.rknn.is_rockchip", lambda: True)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "rknnlite"]:
        del sys.modules[name]


def predict(bundle: Path, picture: Path):
    """Ultralytics' own result for one picture; masks at the picture's size."""
    from ultralytics import YOLO

    model = YOLO(bundle)
    (result,) = model(picture, retina_masks=True, verbose=False)
    model.predictor.model.backend.model.release()
    return result


def picture_for(models: Path, name: str) -> Path:
    return models / ("sample-pose.jpg" if name == "shapes-pose" else "sample.jpg")


def matched(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """For each of our centres (N, 2) the index of theirs nearest to it: the order among equal scores is nobody's."""
    assert len(ours) == len(theirs) >= 3
    nearest = np.linalg.norm(ours[:, None] - theirs[None], axis=2).argmin(1)
    assert sorted(nearest) == list(range(len(ours)))
    return nearest


def centres(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def compare(ours: Result, theirs) -> None:
    """Same detections: classes, scores to 1e-4, everything in px to 0.1, angles to 1e-4, masks by IoU."""
    from ultralytics.utils.ops import regularize_rboxes

    found = theirs.boxes if ours.obb is None else theirs.obb
    if ours.obb is None:
        order = matched(centres(ours.boxes), centres(found.xyxy.numpy()))
        np.testing.assert_allclose(found.xyxy.numpy()[order], ours.boxes, atol=0.1)
    else:
        obb = regularize_rboxes(found.xywhr).numpy()
        order = matched(ours.obb[:, :2], obb[:, :2])
        np.testing.assert_allclose(obb[order, :4], ours.obb[:, :4], atol=0.1)
        np.testing.assert_allclose(obb[order, 4], ours.obb[:, 4], atol=1e-4)
    np.testing.assert_array_equal(found.cls.numpy()[order], ours.class_ids)
    np.testing.assert_allclose(found.conf.numpy()[order], ours.scores, atol=1e-4)
    assert (theirs.keypoints is None) == (ours.keypoints is None)
    if ours.keypoints is not None:
        np.testing.assert_allclose(theirs.keypoints.data.numpy()[order], ours.keypoints, atol=0.1)
    assert (theirs.masks is None) == (ours.masks is None)
    if ours.masks is not None:
        for mask, other in zip(ours.masks, theirs.masks.data.numpy()[order] > 0, strict=True):
            full = mask.full(*ours.shape)
            assert (full & other).sum() / (full | other).sum() > 0.98


@pytest.mark.parametrize("name", STARTERS)
def test_stock_ultralytics_finds_what_the_demo_finds(board, converted: Path, models: Path, name):
    bundle, picture = converted / f"{name}_rknn_model", picture_for(models, name)
    theirs = predict(bundle, picture)
    with load(bundle, backend="simulator") as predictor:
        ours = predictor(picture)
    assert theirs.names == dict(enumerate(ours.spec.names))
    compare(ours, theirs)


def test_no_key_of_the_metadata_hides_a_part_of_the_backend(tmp_path: Path):
    """Ultralytics makes every key an attribute of its backend, over whatever has that name: `model`, say."""
    from ultralytics.nn.backends.rknn import RKNNBackend

    class Bare(RKNNBackend):
        def load_model(self, weight):
            pass

    bundle = made(tmp_path, task="pose", kpt_shape=(5, 3))
    keys = set(bundle.metadata())
    settings = {"task", "names", "stride", "batch", "channels", "end2end"}
    assert settings < keys and not (keys - settings) & set(dir(Bare("", "cpu")))


def with_rk3588(folder: Path) -> Bundle:
    """A bundle for rk3566 and, INT8 and fp16, for rk3588; its files are empty of models."""
    bundle = made(folder)
    content = {"x-rk3588-int8.rknn": b"int8", "x-rk3588-fp16.rknn": b"fp16", "x.log": b"log"}
    for precision in ("int8", "fp16"):
        name = f"x-rk3588-{precision}.rknn"
        digest = hashlib.sha256(content[name]).hexdigest()
        bundle.artifacts.append(Artifact("rk3588", precision, name, digest, 4, "2.3.2", "f", log="x.log"))
    write_bundle(bundle, content)
    return bundle


def test_a_bundle_of_several_is_narrowed_to_one(tmp_path: Path):
    whole = with_rk3588(tmp_path)
    part = single(whole.path, "RK3588", "fp16")
    assert part == tmp_path / "x-rk3588-fp16_rknn_model"
    assert [path.name for path in part.rglob("*.rknn")] == ["x-rk3588-fp16.rknn"]
    assert {path.name for path in part.iterdir()} == {
        "labels.txt",
        "metadata.yaml",
        "model.onnx",
        "x-rk3588-fp16.rknn",
        "x.log",
    }
    held = read_bundle(part)
    assert held.metadata() == whole.metadata() | {"artifacts": [vars(whole.artifacts[2])]}
    assert single(part) == part == single(whole.path, "rk3588", "fp16")
    assert single(whole.path, "rk3566", out=tmp_path / "other") == tmp_path / "other" / "x_rknn_model"
    assert single(whole.path, "rk3568", out=tmp_path / "other") == tmp_path / "other" / "x_rknn_model"  # the same NPU
    assert read_bundle(whole.path) == whole


def test_narrowing_refuses_what_it_cannot_do(tmp_path: Path, monkeypatch):
    whole = with_rk3588(tmp_path)
    monkeypatch.setattr("rknn_zoo_e2e.ultralytics.board_soc", lambda: None)
    for args, message in [
        ({}, "no Rockchip board.*rk3566, rk3588"),
        ({"soc": "rk3576"}, "no artifact for rk3576"),
        ({"soc": "rk3566"}, "something else"),  # x.rknn's folder is the whole bundle's own
    ]:
        with pytest.raises(UserError, match=message):
            single(whole.path, **args)
    (whole.path / "x-rk3588-int8.rknn").write_bytes(b"other")
    with pytest.raises(UserError, match="checksum differs"):
        single(whole.path, "rk3588")
    whole.artifacts[1].layout = "grid"
    write_bundle(whole, {})
    with pytest.raises(UserError, match=r"layout grid.*--soc rk3588 --layout flat"):
        single(whole.path, "rk3588")


def test_another_boards_file_is_refused_as_on_a_board(board, tmp_path: Path):
    part = single(with_rk3588(tmp_path).path, "rk3588")
    with pytest.raises(RuntimeError, match="Failed to init RKNN runtime: -1"):
        predict(part, tmp_path / "unused.jpg")


def test_the_standin_fails_as_the_vendors_runtime_does(board, tmp_path: Path, capsys):
    from rknnlite.api import RKNNLite

    path = made(tmp_path).path / "x.rknn"
    lite = RKNNLite()
    assert lite.init_runtime() == -1 and lite.load_rknn("gone.rknn") == -1
    assert lite.inference([np.zeros((1, 64, 96, 3), np.uint8)]) is None and lite.get_sdk_version() is None
    assert lite.load_rknn(str(path)) == 0 and lite.init_runtime(core_mask=5) == -1
    assert lite.list_support_target_platform(str(path))["support_target_platform"] == ["RK3566", "RK3568"]
    path.write_bytes(b"damaged")
    assert lite.init_runtime() == -1 and "MODEL_INVALID" in capsys.readouterr().err
