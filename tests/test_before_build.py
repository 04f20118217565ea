"""What a finished bundle would be refused for is refused before it is built."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

import pytest
from support.cli import run

from rknn_zoo_e2e.boards.soc import find_soc
from rknn_zoo_e2e.bundle.model import Bundle
from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.bundle.schema import check_model
from rknn_zoo_e2e.bundle.writer import write_bundle
from rknn_zoo_e2e.conversion.options import Options
from rknn_zoo_e2e.conversion.prepare_worker import check_buildable
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.checksum import sha256
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.zoo import Identity, Source, catalogue

SPEC = ModelSpec("m", "detect", ("a",), (64, 64))

# What no bundle could hold -> whether a build of it would be in vain, and is refused before.
SPECS = {
    "name a folder": {"name": "a/b"},
    "name with a backslash": {"name": "a\\b"},
    "name of a drive": {"name": "c:x"},
    "name with a line break": {"name": "a\nb"},
    "name turned around": {"name": "a\u202eb"},
    "no class": {"names": ()},
    "a class without print": {"names": ("a\x1b",)},
    "a long class": {"names": ("a" * 201,)},
    "too many classes": {"names": ("a",) * 20_001},
    "megabytes of classes": {"names": ("行" * 200,) * 4000},
    "too wide": {"imgsz": (64, 8224)},
    "not of the stride": {"imgsz": (64, 80)},
    "an odd stride": {"stride": 512, "imgsz": (512, 512)},
    "no key points": {"task": "pose"},
    "four values a point": {"task": "pose", "kpt_shape": (17, 4)},
    "too many points": {"task": "pose", "kpt_shape": (1001, 3)},
    "joints of others": {"task": "pose", "kpt_shape": (4, 3), "skeleton": ((0, 6),)},
    "masks of a detector": {"masks": 32},
    "no masks": {"task": "segment"},
    "another task": {"task": "classify"},
}


@pytest.mark.parametrize("case", SPECS)
def test_what_a_bundle_cannot_hold_is_refused_before_the_build(tmp_path: Path, case: str):
    spec = dataclasses.replace(SPEC, **SPECS[case])
    with pytest.raises(ValueError):
        check_model(spec)
    with pytest.raises(UserError) as refused:
        check_buildable(spec, Source(Path("m.pt"), "m"), Options(socs=()))
    assert refused.value.what.startswith("m.pt cannot be converted: ")
    if case not in ("another task", "no key points"):  # whose outputs nobody could list
        with pytest.raises(UserError):
            write_bundle(Bundle(tmp_path / "x_rknn_model", spec, "flat", "a" * 64, "b" * 64), {})
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_what_a_bundle_can_hold_is_not_refused(tmp_path: Path):
    for spec in (
        SPEC,
        dataclasses.replace(SPEC, name="my model.v2 (行)", names=tuple(f"class {i}" for i in range(20_000))),
        dataclasses.replace(SPEC, task="pose", kpt_shape=(4, 2), skeleton=((0, 3),), imgsz=(8192, 64)),
        dataclasses.replace(SPEC, task="segment", masks=32),
    ):
        check_buildable(spec, Source(Path("m.pt"), "m"), Options(socs=()))
        (tmp_path / "onnx").write_bytes(b"onnx")
        bundle = Bundle(tmp_path / "x_rknn_model", spec, "flat", "a" * 64, sha256(tmp_path / "onnx"))
        write_bundle(bundle, {"model.onnx": tmp_path / "onnx"})
        assert read_bundle(bundle.path).spec == spec


@pytest.mark.parametrize("name", ["c:x.pt", "a\\b.pt", "a\nb.pt"])
def test_a_files_name_that_no_bundle_can_have(home: Path, models: Path, name: str):
    shutil.copy(models / "weights/shapes.pt", name)
    out = run("convert", name, "--soc", "rk3566", cwd=home / "here")
    assert out.returncode == 1 and "Rename the file" in out.stderr and "load" not in out.stderr
    assert os.listdir() == [name]


def test_the_zoos_pictures_are_not_for_another_model(home: Path):
    named = Source(Path("yolov8n.pt"), "yolov8n", Identity(catalogue()["yolov8n"]))
    spec = dataclasses.replace(SPEC, name="yolov8n", names=("a",) * 5)
    socs = (find_soc("rk3566"),)
    with pytest.raises(UserError, match=r"a detect model of 5 classes.*of 80.*--calib"):
        check_buildable(spec, named, Options(socs=socs))
    check_buildable(spec, named, Options(socs=socs, calib=Path("pictures")))
    check_buildable(dataclasses.replace(spec, names=("a",) * 80), named, Options(socs=socs))
