"""``convert --for``: outputs as other people's programs read them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from support import frigate
from support.bundle import made
from support.cli import run
from support.untrained import BUILDERS, built

from rknn_zoo_e2e import Thresholds, load
from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.bundle.schema import check_manifest
from rknn_zoo_e2e.checkpoint.describe import spec_of
from rknn_zoo_e2e.conversion.custom_string import custom_string
from rknn_zoo_e2e.conversion.options import Options
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.heads.patch import patched
from rknn_zoo_e2e.heads.reference import check_decode
from rknn_zoo_e2e.tasks.contract import CONTRACTS, find_contract
from rknn_zoo_e2e.tasks.registry import task_of
from rknn_zoo_e2e.ultralytics import single
from rknn_zoo_e2e.vision.image import read_image
from rknn_zoo_e2e.vision.letterbox import Letterbox

PIECES = [(family, suffix) for family in ("yolov8", "yolo11", "yolo26") for suffix in BUILDERS]
SIZES = {1: (40, 60), 2: (20, 30), 3: (10, 15)}  # cells of 320 x 480 px


@pytest.mark.parametrize(("family", "suffix"), PIECES)
def test_the_zoos_outputs_decode_as_ultralytics(family, suffix):
    model = built(family, suffix)
    assert check_decode(model, replace(spec_of(model, "built", (320, 480)), contract="model-zoo")) < 1e-3


@pytest.mark.parametrize("family", ["yolov8", "yolo26"])
def test_frigates_output_decodes_as_ultralytics(family):
    model = built(family, "")
    assert check_decode(model, replace(spec_of(model, "built", (320, 320)), contract="frigate")) < 1e-3


# What rknn_model_zoo's programs count on: shapes of all outputs in order, three classes, 320 x 480 px.
SHAPES = {
    "": [shape for h, w in SIZES.values() for shape in ((1, 64, h, w), (1, 3, h, w), (1, 1, h, w))],
    "-seg": [
        *(shape for h, w in SIZES.values() for shape in ((1, 64, h, w), (1, 3, h, w), (1, 1, h, w), (1, 32, h, w))),
        (1, 32, 80, 120),
    ],
    "-pose": [*((1, 67, h, w) for h, w in SIZES.values()), (1, 17, 3, 3150)],
    "-obb": [*((1, 67, h, w) for h, w in SIZES.values()), (1, 1, 3150)],
}


@pytest.mark.parametrize("suffix", SHAPES)
def test_the_zoos_outputs_have_their_shapes(suffix):
    model = built("yolov8", suffix)
    spec = replace(spec_of(model, "built", (320, 480)), contract="model-zoo")
    with torch.no_grad(), patched(model, spec, "levels"):
        outputs = [output.numpy() for output in model(torch.rand(1, 3, 320, 480))]
    assert [output.shape for output in outputs] == SHAPES[suffix]
    task = task_of(spec)
    assert [output.count for output in task.form.outputs] == [shape[1] for shape in SHAPES[suffix]]
    task.check(outputs)
    with pytest.raises(ValueError, match="output0 of shape"):
        task.check([outputs[0].swapaxes(2, 3), *outputs[1:]])
    with pytest.raises(ValueError, match="outputs, not"):
        task.check(outputs[:-1])


def test_the_sum_is_that_of_the_scores():
    model = built("yolov8", "")
    spec = replace(spec_of(model, "built", (320, 320)), contract="model-zoo")
    with torch.no_grad(), patched(model, spec, "levels"):
        _, scores, total, *_ = model(torch.rand(1, 3, 320, 320))
    torch.testing.assert_close(total, scores.sum(1, keepdim=True).clamp(max=1))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"contract": "nobody"}, "ultralytics, frigate, model-zoo"),
        ({"contract": "frigate", "socs": "rv1106"}, "Frigate does not run on rv1106"),
        ({"contract": "frigate", "layout": "grid"}, "has no layout grid"),
        ({"contract": "frigate", "imgsz": 416}, "Add --imgsz 320"),
        ({"contract": "frigate", "imgsz": "320,640"}, "takes inputs of 320 or 640 px, not 320 x 640"),
        ({"contract": "model-zoo", "layout": "flat"}, "Leave --layout away"),
    ],
)
def test_what_a_reader_does_not_take_is_refused(given, said):
    with pytest.raises(UsageError, match=said):
        Options.of(**({"socs": "rk3566"} | given))


def test_names_are_read_as_typed():
    assert Options.of("rk3566", contract=" Model-Zoo ").contract == "model-zoo"


def test_every_contract_is_told_to_c_and_to_ultralytics(tmp_path: Path):
    """What reads normalised boxes is told nothing new; Ultralytics multiplies only those by the input's sides."""
    spec = made(tmp_path).spec
    for name, contract in CONTRACTS.items():
        said = json.loads(custom_string(replace(spec, contract=name), "rk3566", "flat")[0])
        assert said.get("contract", "ultralytics") == name
        assert (contract.quantize == 8) == (name == "ultralytics")


def test_a_bundle_of_before_is_for_ultralytics(tmp_path: Path):
    data = made(tmp_path).metadata()
    for key in ("contract", "levels", "bins"):
        del data[key]
    assert check_manifest(data).contract == "ultralytics"
    with pytest.raises(ValueError, match="outputs are for"):
        check_manifest(data | {"contract": "somebody"})


def test_frigates_files(tmp_path: Path):
    bundle = made(tmp_path, contract="frigate", imgsz=(320, 320))
    folder = Path("/config/model_cache") / bundle.path.name
    stanza = yaml.safe_load((bundle.path / "frigate.yml").read_text())
    assert stanza["detectors"] == {"rknn": {"type": "rknn", "num_cores": 0}}
    model = stanza["model"]
    assert (model["model_type"], model["width"], model["height"]) == ("yolo-generic", 320, 320)
    assert (model["input_tensor"], model["input_pixel_format"]) == ("nhwc", "rgb")
    for key in ("path", "labelmap_path"):
        assert Path(model[key]).parent == folder and (bundle.path / Path(model[key]).name).is_file()
    assert (bundle.path / "labelmap.txt").read_text() == "0 a\n1 größe: #1\n2 no\n"
    ours = replace(bundle, spec=replace(bundle.spec, contract="ultralytics"))
    assert {"frigate.yml", "labelmap.txt"} <= {*bundle.files} and "frigate.yml" not in ours.files
    more = find_contract("frigate").texts(bundle.spec, {"rk3588": "a.rknn", "rk3576": "b.rknn"})["frigate.yml"]
    assert "# On rk3576: path /config/model_cache/x_rknn_model/b.rknn, num_cores 2." in more
    assert yaml.safe_load(more)["detectors"]["rknn"]["num_cores"] == 3


def test_ultralytics_is_not_given_what_it_cannot_read(tmp_path: Path):
    with pytest.raises(UserError, match="built for model-zoo, which Ultralytics cannot read"):
        single(made(tmp_path, contract="model-zoo").path)
    bundle = made(tmp_path, contract="frigate", imgsz=(320, 320))
    assert single(bundle.path) == bundle.path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "reader"), [("shapes", "frigate"), ("shapes-seg", "model-zoo"), ("shapes-pose", "model-zoo")]
)
def test_a_bundle_for_another_reader_is_a_bundle(tmp_path: Path, models: Path, name, reader):
    """Built, verified, shown, run; and not mixed with one for somebody else."""
    asked = ("convert", name, "--soc", "rk3566", "--calib-images", 4)
    out = run(*asked, "--for", reader, "--json", cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    document = json.loads(out.stdout)
    assert document["contract"] == reader and document["artifacts"][0]["parity"]["passed"]
    bundle = read_bundle(tmp_path / f"{name}_rknn_model")
    shown = run("inspect", bundle.path, cwd=tmp_path).stdout
    assert f"for {reader}" in " ".join(shown.split())
    found = []
    for backend in ("onnx", "simulator"):
        picture = models / ("sample-pose.jpg" if "pose" in name else "sample.jpg")
        with load(bundle.path, backend=backend) as predictor:
            found.append(predictor(picture))
    assert len(found[0]) == len(found[1]) > 1
    assert run(*asked, "--for", reader, "--json", cwd=tmp_path).stdout.count('"reused": [') == 1
    other = run("convert", name, "--soc", "rk3588", "--calib-images", 4, cwd=tmp_path)
    assert other.returncode == 1 and "another graph" in other.stderr and "--for" in other.stderr


@pytest.mark.slow
def test_a_pose_model_is_not_for_frigate(tmp_path: Path):
    out = run("convert", "shapes-pose", "--soc", "rk3566", "--for", "frigate", cwd=tmp_path)
    assert out.returncode == 2 and "Frigate does not read pose models" in out.stderr


@pytest.fixture(scope="module")
def coco(weights: Path, data: Path, tmp_path_factory):
    """yolov8n at 320 px: for Frigate in INT8 and fp16, and for Ultralytics in INT8."""
    folder = tmp_path_factory.mktemp("coco")
    builds = {"int8": ("frigate", "int8"), "fp16": ("frigate", "fp16"), "ours": ("ultralytics", "int8")}
    pictures = ("--calib", data / "calib-coco", "--calib-images", 8, "--no-verify")
    for name, (reader, precision) in builds.items():
        args = ("--imgsz", 320, "--for", reader, "--precision", precision, "-o", name)
        out = run("convert", "yolov8n", "--soc", "rk3566", *args, *pictures, cwd=folder)
        assert out.returncode == 0, out.stderr
    return {name: folder / name / "yolov8n_rknn_model" for name in builds}


@pytest.fixture(scope="module")
def inputs(data: Path) -> list[np.ndarray]:
    images = [read_image(path) for path in sorted((data / "coco-detect/images/val").glob("*.jpg"))[:20]]
    return [Letterbox.of(image, (320, 320)).apply(image) for image in images]


@pytest.mark.slow
def test_frigate_keeps_every_anchor_of_ours(coco, inputs):
    """Over 0.45, where its threshold is 0.4: same class, corners to 0.75 px."""
    compared = 0
    with (
        load(coco["int8"], backend="simulator") as predictor,
        load(coco["ours"], backend="simulator", thresholds=Thresholds(conf=0.45)) as ours,
    ):
        for rgb in inputs:
            corners, _, classes = frigate.kept(predictor.infer(rgb)[0])
            result = ours(rgb)
            for box, class_id in zip(result.boxes, result.class_ids, strict=True):
                of_class = np.clip(corners[classes == class_id], 0, 320)
                assert np.abs(of_class - box).max(1).min() < 0.75
                compared += 1
    assert compared > 40


@pytest.mark.slow
def test_what_frigate_suppresses_is_what_it_would_of_fp32(coco, inputs):
    """In fp16, where nothing but the form could differ: INT8 moves scores across the threshold by itself."""
    found = 0
    with load(coco["fp16"], backend="simulator") as npu, load(coco["fp16"], backend="onnx") as fp32:
        for rgb in inputs:
            one, two = (frigate.detections(p.infer(rgb)[0], 320, 320) for p in (npu, fp32))
            assert one[:, 0].tolist() == two[:, 0].tolist()
            np.testing.assert_allclose(one[:, 2:], two[:, 2:], atol=0.75 / 320)
            found += len(one)
    assert found > 40
