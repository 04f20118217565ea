"""What a conversion finds in its bundle is kept where the same would be built, and only there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from support.cli import run

from rknn_zoo_e2e.boards.soc import find_soc
from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.bundle.writer import write_bundle
from rknn_zoo_e2e.conversion import fingerprint as module
from rknn_zoo_e2e.conversion.fingerprint import PACKAGES, fingerprint
from rknn_zoo_e2e.conversion.options import Options
from rknn_zoo_e2e.conversion.request import Request
from rknn_zoo_e2e.files.checksum import sha256
from rknn_zoo_e2e.quantization.calibration import from_shapes
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.zoo import Source, resolve

RK3566 = find_soc("rk3566")
PICTURES, OTHERS = from_shapes(2, False), from_shapes(3, False)
OPTIONS = Options((RK3566,), calib_images=2)
VERIFIED = {"pictures": 2, "detections": 0, "passed": True, "cosine": {"scores": 1.0}}

# What else is given, and whether the artifact stays the same.
GIVEN = [
    ({"weights": "b" * 64}, False),
    ({"soc": find_soc("rk3588")}, False),
    ({"imgsz": (320, 320)}, False),
    ({"calibration": OTHERS}, False),
    ({"options": replace(OPTIONS, precision="fp16")}, False),
    ({"options": replace(OPTIONS, layout="grid")}, False),
    ({"options": replace(OPTIONS, layout="flat")}, True),  # what rk3566 has where none is asked for
    ({"options": replace(OPTIONS, verify=False)}, True),
    ({"options": replace(OPTIONS, jobs=4, time_limit=60, overwrite=True, out=Path("elsewhere"))}, True),
]


def digest(weights="a" * 64, soc=RK3566, options=OPTIONS, calibration=PICTURES, imgsz=None) -> str:
    return fingerprint(weights, soc, options, calibration, imgsz)


@pytest.mark.parametrize(("given", "same"), GIVEN)
def test_a_fingerprint_is_of_what_shapes_the_artifact(given, same):
    assert (digest(**given) == digest()) is same


def test_pictures_shape_int8_alone():
    fp16 = replace(OPTIONS, precision="fp16")
    assert digest(options=fp16) == digest(options=fp16, calibration=OTHERS) == digest(options=fp16, calibration=None)


@pytest.mark.parametrize(("package", "same"), [("rknn-zoo-e2e", True), *((package, False) for package in PACKAGES)])
def test_a_release_of_ours_rebuilds_nothing(monkeypatch, package, same):
    before, version_of = digest(), module.version_of
    monkeypatch.setattr(module, "version_of", lambda name: "99.0" if name == package else version_of(name))
    assert (digest() == before) is same


def test_a_new_recipe_rebuilds_all(monkeypatch):
    before = digest()
    monkeypatch.setattr(module, "RECIPE", module.RECIPE + 1)
    assert digest() != before


# What is there: (input side, whether it is the training size, verified), what is asked for: (imgsz, verify),
# and whether that is kept.
THERE = [
    ((320, True, True), (None, True), True),
    ((320, True, True), ((320, 320), True), True),
    ((320, True, True), (None, False), True),
    ((320, True, True), ((320, 320), False), True),
    ((320, True, True), ((256, 256), True), False),
    ((320, True, False), (None, False), True),
    ((320, True, False), ((320, 320), False), True),
    ((320, True, False), (None, True), False),
    ((320, True, False), ((320, 320), True), False),
    ((256, False, True), ((256, 256), True), True),
    ((256, False, True), ((256, 256), False), True),
    ((256, False, True), (None, True), False),
    ((256, False, True), ((320, 320), True), False),
]


def put(request: Request, side: int, trained: bool, verified: bool) -> Path:
    """A bundle as a build of ``request`` would leave it; nobody looks into its .rknn."""
    from onnx import helper

    path = request.target.parent / "built.rknn"
    path.write_bytes(b"model")
    printed = request.fingerprint(RK3566, None if trained else (side, side))
    artifact = Artifact("rk3566", request.options.precision, "x.rknn", sha256(path), 5, "2.3.2", printed)
    artifact.parity = VERIFIED if verified else {}
    graph = path.with_name("graph.onnx")
    graph.write_bytes(helper.make_model(helper.make_graph([], "g", [], [])).SerializeToString())
    spec = ModelSpec("shapes", "detect", ("a",), (side, side))
    bundle = Bundle(request.target, spec, "flat", request.weights, sha256(graph), [artifact])
    write_bundle(bundle, {"x.rknn": path, "model.onnx": graph})
    return request.target


@pytest.mark.parametrize(("there", "asked", "kept"), THERE)
def test_what_is_kept(tmp_path: Path, there, asked, kept):
    options = replace(OPTIONS, out=tmp_path)
    put(Request.of(resolve("shapes"), options), *there)
    imgsz, verify = asked
    request = Request.of(resolve("shapes"), replace(options, imgsz=imgsz, verify=verify))
    held = request.look()
    assert held is not None and len(held.artifacts) == 1 and ("rk3566" in request.reusable(held)) is kept


def test_fp16_that_nothing_can_verify_is_kept_and_verified_once_it_can_be(tmp_path: Path, models: Path, home: Path):
    own = tmp_path / "own.pt"
    own.write_bytes((models / "weights/shapes.pt").read_bytes() + b"trained further")
    options = Options((RK3566,), "fp16", out=tmp_path)
    request = Request.of(Source(own, "shapes"), options)
    assert request.calibration is None and "needs calibration pictures" in request.unverified
    put(request, 320, True, False)
    assert request.reusable(request.look())
    verifiable = Request.of(Source(own, "shapes"), options, given=PICTURES)
    assert verifiable.verifies and not verifiable.reusable(verifiable.look())


def test_what_an_earlier_release_built_is_built_once_more(tmp_path: Path):
    """Its fingerprints also held that release's version."""
    request = Request.of(resolve("shapes"), replace(OPTIONS, out=tmp_path))
    metadata = put(request, 320, True, True) / "metadata.yaml"
    printed = request.fingerprint(RK3566, None)
    metadata.write_text(metadata.read_text().replace(printed, "ab" * 32))
    held = request.look()
    assert held and len(held.artifacts) == 1 and not request.reusable(held)


def test_what_is_damaged_is_no_part_of_the_bundle(tmp_path: Path):
    request = Request.of(resolve("shapes"), replace(OPTIONS, out=tmp_path))
    (put(request, 320, True, True) / "x.rknn").write_bytes(b"other")
    held = request.look()
    assert held and not held.artifacts and not request.reusable(held)


AGAIN = [(), ("--imgsz", "320"), ("--imgsz", "320,320"), ("--no-verify",), ("--imgsz", "320", "--no-verify")]


@pytest.mark.parametrize("more", AGAIN)
def test_the_default_spelt_out_builds_nothing(converted: Path, more):
    before = (converted / "shapes_rknn_model/metadata.yaml").stat().st_mtime_ns
    out = run("convert", "shapes", "--soc", "rk3566", "--calib-images", 8, *more, "--json", cwd=converted)
    assert out.returncode == 0 and json.loads(out.stdout)["reused"] == ["shapes-rk3566-int8.rknn"], out.stderr
    assert (converted / "shapes_rknn_model/metadata.yaml").stat().st_mtime_ns == before


@pytest.mark.slow
def test_what_was_not_verified_is_once_that_is_asked_for(tmp_path: Path):
    command = ("convert", "shapes", "--soc", "rk3566", "--precision", "fp16", "--calib-images", 2, "--json")

    def reused(*more: str) -> bool:
        out = run(*command, *more, cwd=tmp_path)
        assert out.returncode == 0, out.stderr
        return bool(json.loads(out.stdout)["reused"])

    assert not reused("--imgsz", "320", "--no-verify")  # which is the size it was trained at
    assert reused("--no-verify") and not read_bundle(tmp_path / "shapes_rknn_model").artifacts[0].parity
    assert not reused()
    assert read_bundle(tmp_path / "shapes_rknn_model").artifacts[0].parity["passed"]
    assert reused() and reused("--imgsz", "320") and reused("--no-verify")
