"""Ranges measured with ONNX Runtime are those the vendor's calibration finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from rknn_zoo_e2e.bundle.reader import read_bundle, read_ranges
from rknn_zoo_e2e.quantization.calibration import from_shapes
from rknn_zoo_e2e.quantization.precision import int8_tensors
from rknn_zoo_e2e.quantization.ranges import measure_ranges
from rknn_zoo_e2e.toolkit.client import Toolkit
from rknn_zoo_e2e.toolkit.job import BuildJob

pytestmark = pytest.mark.slow


def test_equal_to_the_vendors_calibration(converted: Path, tmp_path: Path):
    bundle = read_bundle(converted / "shapes-seg_rknn_model")
    artifact = bundle.artifacts[0]
    calibration = from_shapes(4, pose=False)
    ours = measure_ranges(bundle.onnx, (calibration.letterboxed(i, bundle.spec.imgsz) for i in range(4)))
    job = BuildJob(
        onnx=bundle.onnx,
        soc="rk3566",
        precision="int8",
        hybrid=tuple((a, b) for a, b in artifact.hybrid),
        pictures=calibration.write(tmp_path, bundle.spec.imgsz),
        ranges={},  # none given: the toolkit calibrates
    )
    with Toolkit() as toolkit:
        theirs = toolkit.build(job).ranges
    assert theirs is not None
    compared = 0
    for name, (low, high) in theirs.items():
        if name not in ours:
            assert not name.startswith("/"), f"{name} is a tensor of the graph"
            continue
        width = max(high[0] - low[0], 1e-6)
        assert abs(ours[name][0][0] - low[0]) < 0.01 * width, (name, ours[name], low, high)
        assert abs(ours[name][1][0] - high[0]) < 0.01 * width, (name, ours[name], low, high)
        compared += 1
    assert compared > 150


def test_what_the_toolkit_must_calibrate_leaves_given_ranges_alone(converted: Path, tmp_path: Path):
    bundle = read_bundle(converted / "shapes_rknn_model")
    artifact = bundle.artifacts[0]
    given = {name: tuple(pair) for name, pair in read_ranges(bundle, artifact)["ranges"].items()}
    unknown = "/model.2/cv1/act/Mul_output_0"
    job = BuildJob(
        onnx=bundle.onnx,
        soc="rk3566",
        precision="int8",
        hybrid=tuple((a, b) for a, b in artifact.hybrid),
        pictures=from_shapes(2, pose=False).write(tmp_path, bundle.spec.imgsz),
        ranges={name: pair for name, pair in given.items() if name != unknown},
    )
    with Toolkit() as toolkit:
        used = toolkit.build(job).ranges
    assert used is not None and used[unknown][1][0] > 0
    assert {name: used[name] for name in job.ranges} == job.ranges


def test_a_bundle_keeps_the_ranges_it_was_built_with(converted: Path):
    bundle = read_bundle(converted / "shapes_rknn_model")
    kept = read_ranges(bundle, bundle.artifacts[0])
    calibration = from_shapes(8, pose=False)
    pictures = (calibration.letterboxed(i, bundle.spec.imgsz) for i in range(8))
    again = measure_ranges(bundle.onnx, pictures, int8_tensors(bundle.onnx))
    assert kept["ranges"] == {name: list(pair) for name, pair in again.items()}
    assert kept["digest"] == calibration.digest and len(kept["pictures"]) == 8
