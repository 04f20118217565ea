"""Tails and DFL tree: the patched graph says what Ultralytics says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.untrained import BUILDERS, built

from rknn_zoo_e2e.checkpoint.describe import spec_of
from rknn_zoo_e2e.errors import UsageError
from rknn_zoo_e2e.heads.dfl import TreeDFL
from rknn_zoo_e2e.heads.grid import Grid
from rknn_zoo_e2e.heads.patch import patched
from rknn_zoo_e2e.heads.quotient import QuotientDFL
from rknn_zoo_e2e.heads.reference import check_decode, reference_outputs
from rknn_zoo_e2e.tasks.registry import task_of


def decoded(form: type, logits: torch.Tensor, bins: int) -> torch.Tensor:
    """A form of DFL on raw logits: what it wants folded into their convolution is applied by hand."""
    dfl = form(bins)
    matrix, bias = (torch.from_numpy(np.asarray(a)).to(logits.dtype) for a in (dfl.matrix, dfl.bias))
    return dfl.to(logits.dtype)(torch.einsum("oc,bchw->bohw", matrix, logits) + bias[:, None, None])


def softmax_mean(logits: torch.Tensor, bins: int) -> torch.Tensor:
    """Ultralytics' own DFL: logits (1, 4 * bins, H, W) to distances (1, 4, H, W)."""
    b, _, h, w = logits.shape
    weights = torch.arange(bins, dtype=logits.dtype).view(1, 1, bins, 1, 1)
    return (logits.view(b, 4, bins, h, w).softmax(2) * weights).sum(2)


FORMS = pytest.mark.parametrize("form", [TreeDFL, QuotientDFL])


@FORMS
@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([0.1, 1.0, 5.0, 30.0]), st.sampled_from([2, 4, 8, 16, 32]))
def test_dfl_equals_softmax(form, seed, spread, bins):
    logits = torch.randn(1, 4 * bins, 3, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * spread
    torch.testing.assert_close(decoded(form, logits, bins), softmax_mean(logits, bins), atol=1e-6, rtol=0)


@FORMS
@pytest.mark.parametrize("value", [-1e4, 0.0, 1e4])
def test_dfl_is_tame_at_extremes(form, value):
    logits = torch.full((1, 64, 2, 2), value)
    logits[:, 3] = -value
    out = decoded(form, logits, 16)
    assert torch.isfinite(out).all() and (out >= 0).all() and (out <= 15).all()


@FORMS
@pytest.mark.parametrize("bins", [3, 13])
def test_dfl_pads_odd_bin_counts(form, bins):
    logits = torch.randn(1, 4 * bins, 2, 2)
    torch.testing.assert_close(decoded(form, logits, bins), softmax_mean(logits, bins), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("imgsz", "strides"),
    [
        *((size, (8, 16, 32)) for size in ((640, 640), (320, 320), (480, 640), (1024, 1024), (32, 96))),
        ((1280, 1280), (8, 16, 32, 64)),
        ((64, 192), (8, 16, 32, 64)),
        ((416, 416), (16, 32)),
    ],
)
def test_grid_holds_every_anchor_once(imgsz, strides):
    grid = Grid(imgsz, strides)
    assert grid.anchors == sum(h * w for h, w in grid.levels)
    centres = grid.centres().reshape(2, -1)
    assert len(np.unique(np.concatenate([centres, grid.cell().reshape(2, -1)]), axis=1).T) == grid.anchors
    finest = strides[0]
    first_row = centres[:, : imgsz[1] // finest] * np.array([[imgsz[1]], [imgsz[0]]])
    np.testing.assert_allclose(first_row[0], np.arange(imgsz[1] // finest) * finest + finest / 2, rtol=1e-5)
    np.testing.assert_allclose(first_row[1], finest / 2, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("imgsz", [(320, 320), (640, 640), (480, 640)])
@pytest.mark.parametrize("suffix", BUILDERS)
@pytest.mark.parametrize("family", ["yolov8", "yolo11", "yolo12", "yolo26"])
def test_decode_equals_ultralytics(family, suffix, imgsz):
    model = built(family, suffix)
    assert check_decode(model, spec_of(model, "built", imgsz)) < 1e-3


# Families of detect alone: strides, and whether nothing is to be suppressed.
DETECT = {
    "yolov3": ((16, 32), False),
    "yolov5": ((8, 16, 32), False),
    "yolov5-p6": ((8, 16, 32, 64), False),
    "yolov6": ((8, 16, 32), False),
    "yolov9": ((8, 16, 32), False),
    "yolov10": ((8, 16, 32), True),
}


@pytest.mark.slow
@pytest.mark.parametrize("imgsz", [(320, 320), (640, 640), (448, 640)])
@pytest.mark.parametrize("family", DETECT)
def test_decode_of_detect_equals_ultralytics(family, imgsz):
    model, (strides, nms_free) = built(family, ""), DETECT[family]
    spec = spec_of(model, "built", imgsz)
    assert (tuple(model.stride.int().tolist()), spec.nms_free) == (strides, nms_free)
    assert spec.stride == max(strides) and check_decode(model, spec) < 1e-3


def test_a_fourth_level_asks_for_larger_steps():
    """Of the input's size: a multiple of the coarsest level's 64 px."""
    model = built("yolov5-p6", "")
    with pytest.raises(UsageError, match="not a multiple of the stride 64") as error:
        spec_of(model, "built", (480, 640))
    assert error.value.fix == "Use --imgsz 512,640."
    model.args = {"imgsz": 1280}
    assert spec_of(model, "built").imgsz == (1280, 1280)


@pytest.mark.slow
def test_yolov9_segments():
    """Its smallest model with masks is c."""
    model = built("yolov9", "-seg")
    assert check_decode(model, spec_of(model, "built", (320, 320))) < 1e-3


@pytest.mark.parametrize("shape", [(4, 2), (5, 3), (1, 3)])
@pytest.mark.parametrize("family", ["yolov8", "yolo26"])
def test_any_key_point_shape(family, shape):
    model = built(family, "-pose", classes=2, data_kpt_shape=shape)
    spec = spec_of(model, "built", (320, 320))
    assert spec.kpt_shape == shape and check_decode(model, spec) < 1e-3


@pytest.mark.parametrize("suffix", BUILDERS)
def test_integer_graph_is_the_same_function(suffix):
    model = built("yolov8", suffix)
    spec = spec_of(model, "built", (320, 320))
    x = torch.rand(1, 3, 320, 320)
    results = []
    for floats in (True, False):
        with torch.no_grad(), patched(model, spec, "flat", floats):
            y = model(x)
            assert isinstance(model.model[-1].distances.dfl, QuotientDFL if floats else TreeDFL)
        results.append(y[0] if isinstance(y, tuple) else y)
    torch.testing.assert_close(results[0], results[1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("suffix", BUILDERS)
def test_grid_layout_is_flat_layout_reshaped(suffix):
    model = built("yolov8", suffix)
    spec = spec_of(model, "built", (320, 480))
    x = torch.rand(1, 3, 320, 480)
    results = []
    for layout in ("flat", "grid"):
        with torch.no_grad(), patched(model, spec, layout):
            y = model(x)
        results.append(y[0] if isinstance(y, tuple) else y)
    flat, grid = results
    assert flat.ndim == 3 and grid.ndim == 4
    assert flat.shape[1] == task_of(spec).outputs[0].count
    torch.testing.assert_close(grid.flatten(2), flat)


def test_patch_restores_the_model_even_after_an_error():
    model = built("yolov8", "")
    head = model.model[-1]
    spec = spec_of(model, "built", (320, 320))
    with pytest.raises(RuntimeError), patched(model, spec, "flat"):
        raise RuntimeError
    assert model.model[-1] is head
    before = reference_outputs(model, torch.zeros(1, 3, 320, 320), spec)[0]
    assert before.shape == (1, 7, 2100)


@pytest.mark.slow
def test_shared_checkpoints_decode_as_ultralytics(weights):
    from rknn_zoo_e2e.checkpoint.source import load_source
    from rknn_zoo_e2e.zoo import Source

    found = sorted(weights.glob("*.pt"))
    assert len(found) == 7
    for path in found:
        for imgsz in (None, (480, 640)):
            model, spec = load_source(Source(path, path.stem), imgsz)
            assert check_decode(model, spec) < 1e-3 * max(spec.imgsz) / 640, path.name
