"""Bundles on disk: whole or not at all, and trusted only as far as their checksums go."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from rknn_zoo_e2e.bundle import Artifact, Bundle, check_file, newest, read_bundle, write_bundle
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.spec import ModelSpec
from rknn_zoo_e2e.staging import staged
from rknn_zoo_e2e.weights import sha256


def made(folder: Path, content: bytes = b"model", **spec) -> Bundle:
    """A small bundle on disk."""
    facts = {"name": "x", "task": "detect", "names": ("a", "größe: #1", "no"), "imgsz": (64, 96)} | spec
    bundle = Bundle(
        folder / "x_rknn_model", ModelSpec(**facts), "flat", "a" * 64, "b" * 64, origin={"license": "AGPL-3.0"}
    )
    file = folder / "source.rknn"
    file.write_bytes(content)
    bundle.artifacts = [Artifact("rk3566", "int8", "x.rknn", sha256(file), len(content), "2.3.2", "f")]
    write_bundle(bundle, {"x.rknn": file, "model.onnx": b"onnx"})
    return bundle


def test_reads_back_what_was_written(tmp_path: Path):
    bundle = made(tmp_path, kpt_shape=(5, 2), task="pose", skeleton=((0, 1),), nms_free=True)
    again = read_bundle(bundle.path)
    assert again == bundle
    assert (bundle.path / "labels.txt").read_text(encoding="utf-8").splitlines() == ["a", "größe: #1", "no"]
    assert oct(bundle.path.stat().st_mode)[-3:] == "755"
    assert newest(tmp_path) == bundle.path


def test_metadata_has_what_ultralytics_reads(tmp_path: Path):
    from ultralytics.nn.backends.base import BaseBackend

    class Reader(BaseBackend):
        def load_model(self, weight):
            self.apply_metadata(self.read_metadata(weight))

        def forward(self, im):
            raise AssertionError

    reader = Reader(made(tmp_path).path / "x.rknn", "cpu")
    assert (reader.task, reader.stride, reader.batch, reader.end2end) == ("detect", 32, 1, False)
    assert reader.names == {0: "a", 1: "größe: #1", 2: "no"} and list(reader.imgsz) == [64, 96]
    assert reader.metadata["args"]["quantize"] == 8  # makes it multiply normalised coordinates


def test_rewriting_keeps_what_is_not_new(tmp_path: Path):
    bundle = made(tmp_path)
    bundle.artifacts.append(Artifact("rk3588", "int8", "y.rknn", "c" * 64, 1, "2.3.2", "f"))
    write_bundle(bundle, {"y.rknn": b"y"})
    assert {p.name for p in bundle.path.iterdir()} == {"labels.txt", "metadata.yaml", "model.onnx", "x.rknn", "y.rknn"}
    assert check_file(bundle, "x.rknn", bundle.artifacts[0].sha256).read_bytes() == b"model"


def test_a_failure_leaves_the_old_state(tmp_path: Path):
    bundle = made(tmp_path)
    before = sorted(p.name for p in tmp_path.rglob("*"))
    with pytest.raises(RuntimeError), staged(bundle.path) as stage:
        (stage / "half").write_text("x")
        raise RuntimeError
    assert sorted(p.name for p in tmp_path.rglob("*")) == before


def test_killed_while_writing_leaves_old_or_new(tmp_path: Path):
    made(tmp_path)
    script = (
        "import sys\nfrom pathlib import Path\nfrom rknn_zoo_e2e.bundle import *\n"
        f"b = read_bundle(Path({str(tmp_path)!r}) / 'x_rknn_model')\n"
        "print('ready', flush=True)\n"
        "while True:\n    write_bundle(b, {'model.onnx': b'z' * 100_000})\n"
    )
    for delay in (0.0, 0.01, 0.02, 0.05, 0.08):
        process = subprocess.Popen([os.sys.executable, "-c", script], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(delay)
        process.kill()
        process.wait()
        bundle = read_bundle(tmp_path / "x_rknn_model")
        check_file(bundle, "x.rknn", bundle.artifacts[0].sha256)
        assert len(list(bundle.path.iterdir())) == 4


def test_tampered_and_missing_files_are_refused(tmp_path: Path):
    bundle = made(tmp_path)
    (bundle.path / "x.rknn").write_bytes(b"other")
    with pytest.raises(UserError, match="checksum differs"):
        check_file(bundle, "x.rknn", bundle.artifacts[0].sha256)
    (bundle.path / "x.rknn").unlink()
    with pytest.raises(UserError, match="missing"):
        check_file(bundle, "x.rknn", bundle.artifacts[0].sha256)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 99}, "format 99"),
        ({"names": None}, "damaged"),
        ({"imgsz": "big"}, "damaged"),
        ({"artifacts": [{"soc": "rk3566"}]}, "damaged"),
    ],
)
def test_damaged_metadata_is_named(tmp_path: Path, change, message):
    path = made(tmp_path).path
    data = yaml.safe_load((path / "metadata.yaml").read_text())
    (path / "metadata.yaml").write_text(yaml.safe_dump(data | change))
    with pytest.raises(UserError, match=message):
        read_bundle(path)


@pytest.mark.parametrize("name", ["../evil.rknn", "/etc/passwd", "a/b.rknn", ".."])
def test_files_outside_the_bundle_are_refused(tmp_path: Path, name):
    path = made(tmp_path).path
    data = yaml.safe_load((path / "metadata.yaml").read_text())
    data["artifacts"][0]["file"] = name
    (path / "metadata.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(UserError, match="outside itself"):
        read_bundle(path)


def test_yaml_that_builds_objects_is_refused(tmp_path: Path):
    path = made(tmp_path).path
    (path / "metadata.yaml").write_text("!!python/object/apply:os.system ['touch evil']")
    with pytest.raises(UserError, match="damaged"):
        read_bundle(path)
