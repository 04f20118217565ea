"""Logits far outside what calibration saw: the fp16 tail neither overflows nor makes NaN of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from rknn_zoo_e2e.checkpoint.source import load_source
from rknn_zoo_e2e.conversion.export import export_onnx
from rknn_zoo_e2e.runtime.onnx import OnnxRuntime
from rknn_zoo_e2e.tasks.registry import task_of
from rknn_zoo_e2e.toolkit.client import Toolkit
from rknn_zoo_e2e.toolkit.job import BuildJob
from rknn_zoo_e2e.zoo import Source

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["shapes", "shapes-pose", "shapes-seg", "shapes-obb"])
def test_fp16_tail_survives_logits_of_thousands(models: Path, tmp_path: Path, name):
    model, spec = load_source(Source(models / "weights" / f"{name}.pt", name))
    largest: list[float] = []
    # Key points and mask coefficients are left: nothing squashes them, fp16 holds them as they are.
    for branch in ("cv2", "cv3", "cv4") if spec.task == "obb" else ("cv2", "cv3"):
        for sequence in getattr(model.model[-1], branch):
            sequence[-1].weight.data *= 1000
            sequence[-1].register_forward_hook(lambda module, inputs, output: largest.append(float(output.abs().max())))
    rgb = np.random.default_rng(0).integers(0, 256, (*spec.imgsz, 3), dtype=np.uint8)
    with torch.no_grad():
        model(torch.from_numpy(rgb.transpose(2, 0, 1)[None] / np.float32(255)))
    assert 3000 < max(largest) < 60000, "extreme, but the logits themselves fit fp16"
    path = tmp_path / "extreme.onnx"
    export_onnx(model, spec, "flat", path)
    with Toolkit() as toolkit:
        toolkit.build(BuildJob(path, "rk3566", "fp16"))
        outputs = toolkit.infer(rgb)
    assert all(np.isfinite(output).all() for output in outputs)
    expected = OnnxRuntime(path).infer(rgb)[0].reshape(task_of(spec).outputs[0].count, -1)
    actual = outputs[0].reshape(expected.shape)
    classes = len(spec.names)
    assert np.abs(actual[:4]).max() <= 30 * 32 / min(spec.imgsz), "15 cells of the coarsest level to either side"
    assert actual[4 : 4 + classes].min() >= 0 and actual[4 : 4 + classes].max() <= 1
    # A logit of thousands is known to a few units in fp16: most sides fall on the same bin all the same.
    assert np.median(np.abs(actual[:4] - expected[:4])) < 2e-3
