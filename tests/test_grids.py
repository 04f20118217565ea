"""The grids weights are rounded on, and that the toolkit takes them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rknn_zoo_e2e.bundle.reader import graph_of, read_bundle, read_ranges
from rknn_zoo_e2e.quantization.calibration import from_shapes
from rknn_zoo_e2e.toolkit.weight_grids import HIGH, LOW, better_grid, square_error


def spanning_error(weights: np.ndarray) -> np.ndarray:
    """What is lost on 256 steps from the smallest to the largest weight, 0 among them."""
    low, high = np.minimum(weights.min(1), 0), np.maximum(weights.max(1), 0)
    step = np.maximum((high - low) / 255, 1e-12)
    return square_error(weights, step, -128 - np.round(low / step))


@given(st.integers(0, 10_000), st.integers(2, 600), st.floats(1e-3, 30))
def test_weights_on_a_symmetric_grid_stay_exact(seed, count, step):
    random = np.random.default_rng(seed)
    places = random.integers(-100, 90, (8, count))
    places[:, 0] = 127 * random.choice([-1, 1], 8)
    weights = places * step
    assert square_error(weights, *better_grid(weights)).max() < 1e-12 * step**2 * count


@given(st.integers(0, 10_000), st.integers(1, 600), st.floats(-3, 3))
def test_no_channel_loses_more_than_on_the_toolkits_grid(seed, count, centre):
    weights = np.random.default_rng(seed).normal(centre, 1, (8, count))
    steps, zeros = better_grid(weights)
    assert (square_error(weights, steps, zeros) <= spanning_error(weights)).all()
    assert ((zeros >= LOW) & (zeros <= HIGH)).all()


def test_a_channel_of_zeros():
    steps, zeros = better_grid(np.zeros((2, 9)))
    assert (steps > 0).all() and np.isfinite(zeros).all()


SCRIPT = """
import json, sys
from pathlib import Path
from rknn_zoo_e2e.toolkit.job import BuildJob
from rknn_zoo_e2e.toolkit.worker import Session
onnx, hybrid, picture, ranges = json.load(sys.stdin)
session = Session(lambda stage, share=0.0: None)
session.build(BuildJob(Path(onnx), "rk3566", "int8", tuple(map(tuple, hybrid)), (Path(picture),), ranges))
table = session.rknn.rknn_base.quantizer.quant_tab
Path("table.json").write_text(json.dumps({k: v for k, v in table.items() if k.endswith(".weight")}))
"""


@pytest.mark.slow
def test_the_toolkit_quantises_on_them(converted: Path, tmp_path: Path):
    import onnx
    from onnx import numpy_helper

    bundle = read_bundle(converted / "shapes_rknn_model")
    artifact = bundle.artifacts[0]
    model = onnx.load(str(graph_of(bundle, artifact)))
    name = "model.1.conv.weight"
    (tensor,) = (t for t in model.graph.initializer if t.name == name)
    weights = numpy_helper.to_array(tensor)
    step = np.abs(weights).reshape(len(weights), -1).max(1).reshape(-1, 1, 1, 1) / 127
    tensor.CopyFrom(numpy_helper.from_array((np.round(weights / step) * step).astype("f"), name))
    onnx.save(model, str(tmp_path / "symmetric.onnx"))
    (picture,) = from_shapes(1, pose=False).write(tmp_path, bundle.spec.imgsz)
    ranges = read_ranges(bundle, artifact)["ranges"]
    given = json.dumps([str(tmp_path / "symmetric.onnx"), artifact.hybrid, str(picture), ranges])
    out = subprocess.run([sys.executable, "-c", SCRIPT], input=given, cwd=tmp_path, capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    table = json.loads((tmp_path / "table.json").read_text())
    np.testing.assert_allclose(table[name]["scale"], step.ravel(), rtol=1e-5)
    assert not any(table[name]["zero_point"])
    others = [entry for key, entry in table.items() if key.startswith("model.0")]
    assert others and any(any(entry["zero_point"]) for entry in others), "weights of no grid keep the toolkit's"
