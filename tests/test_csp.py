"""The rewritten blocks against Ultralytics' own."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from ultralytics.nn.modules.block import C2f, C3k2
from ultralytics.nn.tasks import DetectionModel

from rknn_zoo_e2e.heads.csp import Increments, blocks
from rknn_zoo_e2e.heads.patch import blocks_patched


def trained(block: nn.Module) -> nn.Module:
    """The block with batch norms that do something."""
    torch.manual_seed(0)
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.3, 2)
            module.weight.data.uniform_(0.5, 2)
            module.bias.data.normal_(0, 0.3)
    return block.eval().requires_grad_(False)


@pytest.mark.parametrize(
    "block",
    [
        C2f(24, 32, 1, True),
        C2f(32, 32, 3, True),
        C2f(32, 48, 2, False),
        C3k2(32, 64, 2, False, 0.25),
        C3k2(32, 64, 2, True),
        C3k2(128, 128, 1, True, attn=True),
    ],
    ids=["one", "three", "no shortcut", "C3k2", "C3k", "attention"],
)
def test_equals_ultralytics(block):
    trained(block)
    before = {name: value.clone() for name, value in block.state_dict().items()}
    x = torch.randn(2, block.cv1.conv.in_channels, 7, 5)
    expected = block(x)
    torch.testing.assert_close(Increments(block).eval()(x), expected, atol=1e-4, rtol=1e-4)
    assert torch.equal(block(x), expected), "the trained block is as it was"
    assert all(torch.equal(value, before[name]) for name, value in block.state_dict().items())


@pytest.mark.parametrize(("family", "count"), [("yolov8n", 8), ("yolo11n", 8), ("yolo26n", 8), ("yolov10n", 8)])
def test_finds_the_blocks_of(family, count):
    found = blocks(DetectionModel(f"{family}.yaml", verbose=False))
    assert len(found) == count and all(hasattr(block, "cv2") for block in found.values())


def test_patch_restores_the_blocks_even_after_an_error():
    model = DetectionModel("yolov8n.yaml", verbose=False).eval()
    before = blocks(model)
    with pytest.raises(RuntimeError), blocks_patched(model):
        assert not blocks(model) and sum(isinstance(m, Increments) for m in model.modules()) == len(before)
        raise RuntimeError
    after = blocks(model)
    assert after.keys() == before.keys() and all(after[path] is before[path] for path in before)
    assert all(m.add for path in ("model.2", "model.4") for m in before[path].m)
