"""Narrow concatenations and large maps, rewritten for NPUs that leave them to the CPU; where clipping puts a range."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from rknn_zoo_e2e.boards.soc import SOCS
from rknn_zoo_e2e.bundle.reader import graph_of, read_bundle
from rknn_zoo_e2e.heads.grid import Grid
from rknn_zoo_e2e.quantization.clipping import SHARES, Sample, quantise
from rknn_zoo_e2e.toolkit.bands import bands, cut_maps
from rknn_zoo_e2e.toolkit.concat import place_channels

pytestmark = pytest.mark.slow


def concat(*counts: int, axis: int = 1) -> onnx.ModelProto:
    """A graph of one Concat of maps (1, count, 2, 3)."""
    inputs = [helper.make_tensor_value_info(f"x{i}", TensorProto.FLOAT, [1, n, 2, 3]) for i, n in enumerate(counts)]
    node = helper.make_node("Concat", [x.name for x in inputs], ["y"], "join", axis=axis)
    graph = helper.make_graph(
        [node], "g", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, list("abcd"))]
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)


@pytest.mark.parametrize("counts", [(4, 80), (4, 80, 1), (1, 16), (3,) * 5])
def test_placed_channels_are_concatenated_channels(counts):
    import onnxruntime

    model = concat(*counts)
    maps = {f"x{i}": np.random.default_rng(i).normal(size=(1, n, 2, 3)).astype("f") for i, n in enumerate(counts)}
    ranges = place_channels(model, {name: ([float(x.min())], [float(x.max())]) for name, x in maps.items()})
    onnx.checker.check_model(model)
    assert "Concat" not in {node.op_type for node in model.graph.node}
    assert {name for node in model.graph.node for name in node.output} <= ranges.keys(), "all have a range"
    (y,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, maps)
    np.testing.assert_array_equal(y, np.concatenate(list(maps.values()), 1))
    assert ranges["y"] == ([y.min()], [y.max()])


@pytest.mark.parametrize("model", [concat(16, 32), concat(4, 4, axis=2)])
def test_whole_blocks_and_other_axes_stay(model):
    place_channels(model, {})
    assert [node.op_type for node in model.graph.node] == ["Concat"]


def test_a_rare_outlier_is_clipped_and_an_even_spread_is_not():
    random, outlier, even = np.random.default_rng(0), Sample(), Sample()
    for index in range(4):
        values = random.normal(size=1_000_000)
        values[7] = 40.0 if index == 2 else 0.0
        outlier.add(values)
        even.add(random.uniform(-0.25, 4, size=(1, 10, 30, 30)))
    low, high = outlier.clip(-5.5, 40.0)
    assert high in {40.0 * share for share in SHARES} and 5 < high < 20 and low == -5.5
    assert even.clip(-0.25, 4.0) == (-0.25, 4.0)
    assert high < outlier.clip(-5.5, 40.0, power=4.0)[1], "higher powers mind clipping more"


@pytest.mark.parametrize("size", [100, 20_000, 1_000_000])
@pytest.mark.parametrize("freedom", [2, 3, 10])
def test_clipping_costs_less_than_the_whole_range(size, freedom):
    values = np.random.default_rng(size).standard_t(freedom, size)
    sample, ends = Sample(), (float(values.min()), float(values.max()))
    sample.add(values)
    clipped, whole = (np.square(values - quantise(values, *r)).mean() for r in (sample.clip(*ends), ends))
    assert clipped <= 1.02 * whole
    assert quantise(np.zeros(1), -0.28, 7.0) == 0 and len(np.unique(quantise(values, -1.0, 3.0))) <= 256


def test_integer_npus_have_a_graph_of_their_own(tmp_path: Path):
    """One without a division, which they leave to the CPU, and with ranges of its own: their tail is INT16."""
    from support.cli import run

    args = ("--soc", "rk3588", "--soc", "rv1106", "--layout", "grid", "--calib-images", 2, "--no-verify")
    out = run("convert", "shapes", *args, cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    bundle = read_bundle(tmp_path / "shapes_rknn_model")
    floats, integers = bundle.artifacts
    assert (floats.soc, floats.graph) == ("rk3588", "") and integers.graph.startswith("model-integer-")
    kinds = [{node.op_type for node in onnx.load(str(graph_of(bundle, a))).graph.node} for a in bundle.artifacts]
    assert ["Elu" in ops for ops in kinds] == [True, False], "the exponential whose sums are divided"
    assert floats.calibration != integers.calibration
    assert not floats.placement["cpu"] and not integers.placement["cpu"]


def test_rv1106_leaves_nothing_to_the_cpu(models: Path, tmp_path: Path):
    """Every task in layout grid, where the tail is INT16 and narrow channels meet wide ones."""
    import json

    from support.cli import run

    names = ("shapes", "shapes-pose", "shapes-seg", "shapes-obb")
    args = ("--soc", "rv1106", "--layout", "grid", "--calib-images", 4, "--no-verify", "--json")
    out = run("convert", *names, *args, cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    for report in json.loads(out.stdout):
        (artifact,) = report["artifacts"]
        assert artifact["placement"]["cpu"] == [], report["model"]
        assert artifact["placement"]["npu"] > 50


MOST = min(soc.reshapes for soc in SOCS.values() if soc.reshapes is not None)
SIDES = range(32, 1281, 32)


def test_every_input_size_has_a_grid_whose_levels_can_be_reshaped():
    """All 1600 sizes from 32 x 32 to 1280 x 1280: whole rows, and no map left that is too large."""
    for imgsz in ((height, width) for height in SIDES for width in SIDES):
        grid = Grid(imgsz, (8, 16, 32))
        for (height, width), rows in zip(grid.levels, grid.rows, strict=True):
            assert rows * grid.width == height * width, imgsz
            if grid.width == width or height * width <= MOST:
                continue
            parts = bands(height, width, grid.width, MOST)
            assert [first for first, _ in parts] == [0, *(last for _, last in parts[:-1])] and parts[-1][1] == height
            for first, last in parts:
                cells = (last - first) * width
                assert 0 < cells <= MOST and cells % grid.width == 0, imgsz
            assert (len(parts) - 1) * MOST < height * width * 1.5, "no more bands than needed, as rows allow"


@pytest.mark.parametrize(
    ("imgsz", "width"),
    [
        ((640, 640), 80), ((512, 512), 64), ((1024, 1024), 128), ((1280, 1280), 160), ((384, 640), 80),
        ((640, 384), 48), ((128, 96), 12), ((320, 320), 100), ((480, 640), 75), ((416, 416), 13), ((736, 736), 23),
        ((960, 960), 75), ((544, 960), 85),
    ],
)  # fmt: skip
def test_the_finest_level_keeps_its_width_where_it_divides(imgsz, width):
    grid = Grid(imgsz, (8, 16, 32))
    assert grid.width == width
    assert (width == grid.levels[0][1]) == (imgsz[0] % 128 == 0)


def levels(*readers: str, kernel: int = 1, also_read: bool = False) -> onnx.ModelProto:
    """A map (1, 3, 12, 10) and a coarser one, brought to rows of 15 and joined, once for each reader.

    A reader is what stands between the convolution and its Reshape, "" for nothing.
    """
    random = np.random.default_rng(0)
    inputs = {"fine": (12, 10), "coarse": (6, 5)}
    nodes, constants, outputs = [], [], []
    for index, between in enumerate(readers):
        joined = []
        for name in inputs:
            base, pads = f"/{name}.{index}", [kernel // 2] * 4
            weight = random.normal(size=(4, 3, kernel, kernel)).astype("f")
            constants += [
                numpy_helper.from_array(weight, f"{base}.weight"),
                numpy_helper.from_array(np.array([1, 4, -1, 15]), f"{base}.shape"),
            ]
            maps = f"{base}/Conv_output_0"
            nodes.append(
                helper.make_node(
                    "Conv", [name, f"{base}.weight"], [maps], f"{base}/Conv", kernel_shape=[kernel] * 2, pads=pads
                )
            )
            if between:
                given = [maps, f"{base}.shape"] if between == "Reshape" else [maps]
                nodes.append(helper.make_node(between, given, [f"{base}/{between}"], f"{base}/{between}"))
                maps = f"{base}/{between}"
            joined.append(f"{base}/Reshape_output_0")
            nodes.append(helper.make_node("Reshape", [maps, f"{base}.shape"], joined[-1:], f"{base}/Reshape"))
        outputs.append(f"y{index}")
        nodes.append(helper.make_node("Concat", joined, outputs[-1:], f"/join.{index}", axis=2))
    if also_read:
        nodes.append(helper.make_node("Relu", ["fine"], ["also"], "/also"))
        outputs.append("also")
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 3, h, w]) for n, (h, w) in inputs.items()]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, list("abcd")) for name in outputs]
    graph = helper.make_graph(nodes, "g", infos, results, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)


def outputs_of(model: onnx.ModelProto) -> list[np.ndarray]:
    import onnxruntime

    random = np.random.default_rng(1)
    shapes = {i.name: [d.dim_value for d in i.type.tensor_type.shape.dim] for i in model.graph.input}
    given = {name: random.normal(size=shape).astype("f") for name, shape in shapes.items()}
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, given)


@pytest.mark.parametrize(
    ("model", "most", "count"),
    [
        (levels(""), 119, 2),
        (levels(""), 60, 2),
        (levels(""), 59, 4),
        (levels("Sigmoid"), 60, 2),
        (levels("", "Sigmoid"), 60, 2),
        (levels("", also_read=True), 60, 2),
    ],
    ids=["just too large", "halves", "quarters", "with an activation", "two that read one map", "read elsewhere"],
)
def test_a_map_in_bands_is_the_same_map(model, most, count):
    before = outputs_of(model)
    tensors = ["fine", "coarse", *(name for node in model.graph.node for name in node.output)]
    ranges = {name: ([-float(index)], [float(index)]) for index, name in enumerate(tensors)}
    found, regions = cut_maps(model, ranges, (("fine", "y0"), ("coarse", "y0"), ("elsewhere", "y0")), most)
    onnx.checker.check_model(model, full_check=True)
    for one, other in zip(before, outputs_of(model), strict=True):
        np.testing.assert_array_equal(one, other)
    slices = [node.output[0] for node in model.graph.node if node.op_type == "Slice"]
    assert len(slices) == count, "a map that two read is cut once"
    still = ["fine"] if "also" in {o.name for o in model.graph.output} else []
    assert regions == (*((name, "y0") for name in [*slices, *still]), ("coarse", "y0"), ("elsewhere", "y0"))
    new = {name for node in model.graph.node for name in node.output} - set(tensors)
    assert new and all(found[name] == ranges[name.split("/rows.")[0]] for name in new)
    assert found.items() >= ranges.items()


@pytest.mark.parametrize(
    ("model", "most"),
    [(levels(""), 120), (levels(""), 9), (levels("", kernel=3), 60), (levels("Softmax"), 60), (levels("Reshape"), 60)],
    ids=["not too large", "no band is small enough", "a wide kernel", "an operator that sees more", "two in a row"],
)
def test_maps_that_need_not_or_cannot_be_cut_stay(model, most):
    regions = (("fine", "y0"),)
    before = model.SerializeToString()
    assert cut_maps(model, {}, regions, most) == ({}, regions)
    assert model.SerializeToString() == before


@pytest.mark.parametrize(
    ("name", "soc", "imgsz"),
    [
        ("shapes-pose", "rv1106", "736"),  # two convolutions read the map that is cut
        ("shapes-seg", "rv1106", "544,960"),  # cut, and the compiler crashed
        ("shapes-obb", "rv1106", "1024"),  # the finest level keeps its width
        ("shapes-obb", "rk3566", "640,384"),  # the compiler crashed
    ],
)
def test_no_input_size_leaves_operators_to_the_cpu(tmp_path: Path, name, soc, imgsz):
    placement = converted_at(imgsz, name, soc, tmp_path, "--calib-images", 2, "--no-verify")["placement"]
    assert placement["cpu"] == [] and placement["npu"] > 50


def test_area_attention_leaves_nothing_to_the_cpu(tmp_path: Path):
    """YOLO12's, untrained, on a chip without Softmax, at a size whose areas need rows to be transposed there."""
    import cv2
    from ultralytics import YOLO

    from rknn_zoo_e2e.media import synthetic

    (tmp_path / "pictures").mkdir()
    for seed in range(2):
        cv2.imwrite(str(tmp_path / f"pictures/{seed}.png"), synthetic.draw_scene(seed, (320, 320), pose=False)[0])
    YOLO("yolo12n.yaml").save(tmp_path / "yolo12n.pt")
    placement = converted_at(
        "320", "yolo12n.pt", "rk3566", tmp_path, "--calib", "pictures", "--calib-images", 2, "--no-verify"
    )["placement"]
    assert placement["cpu"] == [] and placement["npu"] > 600


def test_a_map_in_bands_agrees_with_fp32(tmp_path: Path):
    """In the simulator, with the ranges that were measured on the whole map."""
    artifact = converted_at("736", "shapes", "rv1106", tmp_path, "--calib-images", 6)
    assert artifact["placement"]["cpu"] == []
    assert artifact["parity"]["passed"] and artifact["parity"]["detections"] > 5


def converted_at(imgsz: str, name: str, soc: str, folder: Path, *args: object) -> dict:
    """What ``convert --json`` says of the one build."""
    import json

    from support.cli import run

    out = run("convert", name, "--soc", soc, "--imgsz", imgsz, "--layout", "grid", "--json", *args, cwd=folder)
    assert out.returncode == 0, out.stderr
    (artifact,) = json.loads(out.stdout)["artifacts"]
    return artifact
