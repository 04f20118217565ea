"""``analyze``: which blocks INT8 harms, by how much, and what leaving it costs."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from support.cli import COMMAND, PATIENCE, run

from rknn_zoo_e2e.analysis.analyze import Case, compare
from rknn_zoo_e2e.analysis.blocks import blocks_of
from rknn_zoo_e2e.analysis.costs import Compiler
from rknn_zoo_e2e.analysis.errors import Errors
from rknn_zoo_e2e.analysis.noise import ALONE
from rknn_zoo_e2e.boards.soc import SOCS
from rknn_zoo_e2e.bundle.analysis import ANALYSIS, read_analysis
from rknn_zoo_e2e.bundle.reader import read_bundle, read_ranges
from rknn_zoo_e2e.progress import silent
from rknn_zoo_e2e.quantization.calibration import from_shapes
from rknn_zoo_e2e.quantization.clipping import quantise
from rknn_zoo_e2e.quantization.emulation import Emulator, Precision
from rknn_zoo_e2e.tasks.registry import task_of
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.toolkit.buildlog import layers
from rknn_zoo_e2e.toolkit.client import Toolkit

pytestmark = pytest.mark.slow

STARTERS = ("shapes", "shapes-pose", "shapes-seg", "shapes-obb")


@pytest.fixture
def bundle(converted: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(converted / "shapes_rknn_model", tmp_path / "shapes_rknn_model"))


@pytest.fixture(scope="module")
def case(converted: Path) -> Case:
    """Everything in INT8, on three drawn pictures."""
    held = read_bundle(converted / "shapes_rknn_model")
    return Case.of(held, held.artifacts[0], from_shapes(3, False), True, silent)


@pytest.mark.parametrize("name", STARTERS)
def test_a_block_is_what_lies_between_the_ends_of_its_regions(converted: Path, name):
    model = onnx.load(str(converted / f"{name}_rknn_model/model.onnx"))
    blocks = blocks_of(model)
    assert len({block.name for block in blocks}) == len(blocks)
    held = [tensor for block in blocks for tensor in block.tensors]
    assert len(set(held)) == len(held), "no operator is in two"
    weighted = {node.output[0] for node in model.graph.node if node.op_type in ("Conv", "ConvTranspose")}
    assert weighted <= set(held), "none with weights is in none"
    for block in blocks:
        assert Precision.of(model, block.regions).wide == block.tensors, block.name


def test_blocks_have_the_names_people_know(converted: Path):
    names = [block.name for block in blocks_of(onnx.load(str(converted / "shapes-seg_rknn_model/model.onnx")))]
    assert {"model.0", "model.9", "model.22 proto", "decode", "class branch, stride 8: stem"} <= set(names)
    assert not {"model.10", "model.11"} & set(names), "Upsample and Concat have no weights"


def test_nothing_in_int8_is_fp32(case: Case):
    (rgb, *_), model = case.images, case.state.model
    wanted = Emulator(model).infer(rgb)
    found = Emulator(case.state.with_wide(case.state.flowing).emulated(case.ranges)).infer(rgb)
    assert np.allclose(wanted[0], found[0], atol=1e-5)


@pytest.mark.parametrize("layer", ["model.0", "model.1", "model.3"])
def test_noise_is_what_is_computed_by_hand(case: Case, layer):
    """A convolution and its SiLU, with weights and outcome rounded by numpy and the rest by torch."""
    index = next(i for i, block in enumerate(case.blocks) if block.name == layer)
    block, graph = case.blocks[index], case.state.model.graph
    (energies,) = compare(case, silent)[2:]
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    (conv,) = [node for node in graph.node if node.op_type == "Conv" and node.output[0] in block.tensors]
    exact, bias = (torch.from_numpy(weights[name].copy()) for name in conv.input[1:3])
    rounded = torch.stack([torch.from_numpy(by_hand(channel.numpy())) for channel in exact])
    (low,), (high,) = case.ranges[block.outputs[0]]
    signal = noise = 0.0
    probe = onnx.ModelProto()
    probe.CopyFrom(case.state.model)
    if block.inputs[0] != graph.input[0].name:
        probe.graph.output.append(onnx.helper.make_empty_tensor_value_info(block.inputs[0]))
    for rgb in case.images:
        read = Emulator(probe).infer(rgb)[-1] if len(probe.graph.output) > 1 else rgb.transpose(2, 0, 1)[None] / 255
        x = torch.from_numpy(np.asarray(read, np.float32))
        wanted, found = (
            torch.nn.functional.silu(torch.nn.functional.conv2d(x, w, bias, stride=2, padding=1)).double().numpy()
            for w in (exact, rounded)
        )
        signal += float((wanted**2).sum())
        noise += float(((wanted - quantise(found, low, high)) ** 2).sum())
    assert energies.decibels(index, ALONE) == pytest.approx(10 * np.log10(signal / noise), abs=0.1)


def by_hand(channel: np.ndarray) -> np.ndarray:
    """A channel's weights on whichever of two grids of 256 values loses less: symmetric, or from least to largest."""
    grids = []
    for low, high in ((-abs(channel).max(), abs(channel).max()), (min(channel.min(), 0), max(channel.max(), 0))):
        step = (high - low) / (254 if low == -high else 255)
        zero = 0 if low == -high else -128 - round(low / step)
        grids.append((np.clip(np.round(channel / step) + zero, -128, 127) - zero) * step)
    return min(grids, key=lambda grid: float(((grid - channel) ** 2).sum())).astype(np.float32)


def test_errors_add_up_in_squares():
    whole, one, other, none = (
        Errors(10, {"score": 0.01 * size, "box_px": 0.2 * size, "angle_degrees": size}) for size in (5, 3, 4, 0)
    )
    assert whole.share_of(whole) == 1 and none.share_of(none) == 0
    assert one.share_of(whole) + other.share_of(whole) == pytest.approx(1)
    branch = Errors(10, {"score": 0.04, "box_px": 0.0, "angle_degrees": 0.0})
    assert branch.share_of(whole) == pytest.approx(0.64), "it has a part in one kind alone"


POSE = ModelSpec("figures", "pose", ("figure",), (64, 96), kpt_shape=(2, 3))
MASKS = ModelSpec("shapes", "segment", ("shape",), (64, 96), masks=1)
TURNED = ModelSpec("ships", "obb", ("ship",), (64, 96))
WIDE, SQUARE = [48.0, 32, 40, 10], [48.0, 32, 20, 20]  # cx, cy, w, h in px


@pytest.mark.parametrize(
    ("spec", "box", "wanted", "found", "off"),
    [
        (POSE, WIDE, [10, 20, 1, 30, 40, 0], [12, 24, 1, 90, 90, 0], 3.0),  # a point nobody sees does not count
        (POSE, WIDE, [10, 20, 1, 30, 40, 1], [10, 20, 0, 32, 44, 1], 1.5),
        (TURNED, WIDE, [0.1], [0.1 + np.pi], 0.0),
        (TURNED, WIDE, [-0.01], [np.pi - 0.03], np.degrees(0.02) * 0.75),
        (TURNED, SQUARE, [0.0], [np.pi / 4], 0.0),
        (MASKS, WIDE, [0.0], [50.0], 0.5),  # 0.5 becomes 1 in the box, and what is outside is in no mask
        (MASKS, WIDE, [2.0], [2.0], 0.0),
    ],
)
def test_errors_of_a_task_are_of_what_it_alone_has(spec: ModelSpec, box, wanted, found, off):
    task = task_of(spec)
    protos = [np.ones((1, 16, 24))] if spec.masks else []
    one, two = ([np.array([values], float).T, *protos] for values in (wanted, found))
    assert task.own_error and task.off(np.array([box]).T, one, two) == pytest.approx([off], abs=1e-6)


def test_a_region_is_whole_whoever_else_reads_its_first_tensor(converted: Path, tmp_path: Path, case: Case):
    stem = next(block for block in case.blocks if block.name == "class branch, stride 8: stem")
    held = read_bundle(converted / "shapes_rknn_model")
    picture = tmp_path / "picture.png"
    from PIL import Image

    Image.fromarray(case.images[0]).save(picture)
    ranges = read_ranges(held, held.artifacts[0])["ranges"]
    with Toolkit() as toolkit:
        compiler = Compiler(toolkit, case.graph, SOCS["rk3588"], (picture, picture), ranges)
        table = layers(compiler.log(stem.regions))
    convolutions = {layer.dtype for layer in table if layer.op.startswith("Conv") and "/scores/stems.0/" in layer.name}
    assert convolutions == {"FLOAT16"}
    assert {layer.dtype for layer in table if layer.op.startswith("Conv")} == {"FLOAT16", "INT8"}


def test_the_figures_are_in_the_bundle_and_costs_are_the_compilers(bundle: Path, tmp_path: Path):
    out = run("analyze", bundle, "--soc", "rk3566", "--calib-images", 3, "--check", 1, "--json", cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    document = json.loads(out.stdout)
    held = read_bundle(bundle)
    kept = read_analysis(held, held.artifact("rk3566"))
    assert kept is not None and {key: document[key] for key in kept} == kept
    ANALYSIS(kept, "analysis")
    assert (kept["state"], kept["wide"], kept["pictures"]["count"]) == ("build", "fp16", 3)
    ranks = [(not block["int8"], -block["gain"]["share"]) for block in kept["blocks"]]
    assert ranks == sorted(ranks)
    outside = {block["name"] for block in kept["blocks"] if not block["int8"]}
    assert "decode" in outside and all(name == "decode" or name.endswith(": last") for name in outside)
    (checked,) = [block for block in kept["blocks"] if block["built"]]
    assert checked["int8"] and checked["cost"]["traffic_kb"] > 0
    for key, built in checked["built"].items():
        assert checked["cost"][key] == pytest.approx(built, rel=0.05, abs=50), key


def test_where_nothing_can_leave_int8_it_has_no_cost(models: Path, tmp_path: Path):
    out = run("analyze", "shapes", "--soc", "rv1103b", "--calib-images", 2, "--json", "--no-keep", cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    document = json.loads(out.stdout)
    assert document["wide"] is None and all(block["int8"] for block in document["blocks"])
    assert all(block["cost"] is None for block in document["blocks"])
    assert read_bundle(tmp_path / "shapes_rknn_model").artifacts[0].numbers == {}, "--no-keep"


def test_ctrl_c_leaves_the_bundle_as_it_was(bundle: Path, tmp_path: Path):
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    words = [*COMMAND, "analyze", str(bundle), "--calib-images", "4"]
    process = subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.endswith(": emulate\n"):
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and "Interrupted" in err
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("shapes-pose",), 2, "--soc rk3566"),
        (("nothing_rknn_model", "--soc", "rk3566"), 2, "nothing_rknn_model"),
        (("shapes", "--soc", "rk9999"), 2, "rk9999"),
        (("shapes_rknn_model", "--soc", "rk3588"), 1, "rk3588"),
        (("shapes_rknn_model", "--calib", "nowhere"), 1, "nowhere"),
    ],
)
def test_what_cannot_be_analysed_is_said(bundle: Path, words, code, said):
    out = run("analyze", *words, cwd=bundle.parent)
    assert out.returncode == code and said in out.stderr, out.stderr


def test_without_pictures_of_its_own_it_asks_for_some(bundle: Path):
    text = (bundle / "metadata.yaml").read_text().replace("\nzoo: shapes\n", "\n")
    (bundle / "metadata.yaml").write_text(re.sub("(?<=weights_sha256: ).*", "a" * 64, text))
    out = run("analyze", bundle, cwd=bundle.parent)
    assert out.returncode == 2 and "--calib" in out.stderr


def test_pictures_that_show_nothing_are_refused(bundle: Path, tmp_path: Path):
    from PIL import Image

    for name in ("a", "b"):
        (tmp_path / "grey").mkdir(exist_ok=True)
        Image.new("RGB", (320, 320), (114, 114, 114)).save(tmp_path / f"grey/{name}.png")
    out = run("analyze", bundle, "--calib", tmp_path / "grey", cwd=tmp_path)
    assert out.returncode == 1 and "finds nothing" in out.stderr, out.stderr


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "calib", "worst"),
    [
        ("yolo11n", "calib-coco", "model.10 attention"),
        ("yolov8n-obb", "calib-aerial", "class branch, stride 8: stem"),
    ],
)
def test_the_known_bad_actors_come_first(weights: Path, data: Path, tmp_path: Path, name, calib, worst):
    size = 320 if name == "yolo11n" else 640
    pictures = ("--calib", data / calib)
    out = run("convert", name, "--soc", "rk3588", "--imgsz", size, *pictures, "--no-verify", cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    out = run("analyze", name, *pictures, "--all-int8", "--json", cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    blocks = json.loads(out.stdout)["blocks"]
    assert blocks[0]["name"] == worst and [block["name"] for block in blocks if not block["int8"]] == ["decode"]
