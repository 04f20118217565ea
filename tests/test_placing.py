"""Concatenations by convolutions, the ranges of what is new, and where clipping puts a range."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from rknn_zoo_e2e.bundle import graph_of, read_bundle
from rknn_zoo_e2e.conversion.clipping import SHARES, Sample, quantise
from rknn_zoo_e2e.toolkit.placing import place_channels


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
    from test_cli import run

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

    from test_cli import run

    names = ("shapes", "shapes-pose", "shapes-seg", "shapes-obb")
    args = ("--soc", "rv1106", "--layout", "grid", "--calib-images", 4, "--no-verify", "--json")
    out = run("convert", *names, *args, cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    for report in json.loads(out.stdout):
        (artifact,) = report["artifacts"]
        assert artifact["placement"]["cpu"] == [], report["model"]
        assert artifact["placement"]["npu"] > 50
