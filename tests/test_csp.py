"""The rewritten blocks against Ultralytics' own."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn
from ultralytics.nn.modules.block import Bottleneck, C2f, C2fCIB, C3k2
from ultralytics.nn.modules.conv import Conv, DWConv
from ultralytics.nn.tasks import DetectionModel

from rknn_zoo_e2e.heads.csp import Increments, blocks
from rknn_zoo_e2e.heads.patch import blocks_patched
from rknn_zoo_e2e.heads.reference import check_decode


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


class Forked(C2f):
    """A fork's: the first convolution is two."""

    def __init__(self, *args):
        super().__init__(*args)
        self.cv0, self.cv1 = Conv(32, self.c), Conv(32, self.c)

    def forward(self, x):
        y = [self.cv0(x), self.cv1(x)]
        y.extend(m(y[-1]) for m in self.m)
        return self.cv2(torch.cat(y, 1))


class Doubling(Bottleneck):
    def forward(self, x):
        return 2 * super().forward(x)


class Negative(nn.Conv2d):
    def forward(self, x):
        return -super().forward(x)


def changed(**parts):
    """A change of a ``C2f``'s submodules, by path."""

    def change(block):
        for path, make in parts.items():
            owner, _, name = path.replace("_", ".").rpartition(".")
            setattr(block.get_submodule(owner), name, make())

    return change


def pruned(hidden: int, *given: int, add: bool = True):
    """Fewer channels in what the first convolution and each bottleneck give; the attribute ``c`` stays."""

    def change(block):
        block.cv1 = Conv(32, 2 * hidden)
        widths = [hidden, *given]
        for index, (before, after) in enumerate(pairwise(widths)):
            block.m[index] = Bottleneck(before, after, add, e=0.7)
            block.m[index].add = add
        block.cv2 = Conv(2 * hidden + sum(given), 24)

    return change


def lose_an_output(block):
    """cv1 gives an odd number: Ultralytics' chunk makes halves of 16 and 15."""
    pruned(16, 16, 16, add=False)(block)
    block.cv1, block.m[0] = Conv(32, 31), Bottleneck(15, 16, False)
    block.cv2 = Conv(63, 24)


def broadcast(block):
    """The last bottleneck adds one channel to all of its input's."""
    block.m[1] = Bottleneck(16, 1, e=4)
    block.m[1].add = True


def fuse(block):
    from ultralytics.utils.torch_utils import fuse_conv_and_bn

    for module in block.modules():
        if isinstance(module, Conv):
            module.conv = fuse_conv_and_bn(module.conv, module.bn)
            del module.bn
            module.forward = module.forward_fuse


def doubled(*given):
    """The output of a hook, twice; of a hook before, the input."""
    return 2 * (given[-1][0] if isinstance(given[-1], tuple) else given[-1])


REWRITTEN = {
    "as it is": lambda block: None,
    "fused": fuse,
    "c that fits nothing": lambda block: setattr(block, "c", block.c + 1),
    "pruned": pruned(12, 12, 12),
    "pruned unevenly, without additions": pruned(12, 10, 7, add=False),
    "an odd number of channels": lose_an_output,
    "additions switched off": lambda block: setattr(block.m[0], "add", False),
    "another activation": changed(cv1_act=nn.ReLU, cv2_act=nn.GELU, m_0_cv2_act=nn.Identity),
    "a larger last kernel": changed(cv2=lambda: Conv(64, 24, 3)),
    "other kernels in a bottleneck": changed(m_0=lambda: Bottleneck(16, 16, k=((1, 5), (7, 1)))),
    "a bottleneck within a sequence": changed(m_1=lambda: nn.Sequential(Bottleneck(16, 16), Bottleneck(16, 16))),
}
LEFT = {
    "one channel added to all": broadcast,
    "a subclass": lambda block: setattr(block, "__class__", type("C2f", (C2f,), {})),
    "a bottleneck of a subclass": changed(m_1=lambda: Doubling(16, 16)),
    "a convolution of a subclass": changed(cv1=lambda: DWConv(32, 32)),
    "a last convolution of a subclass": changed(cv2_conv=lambda: Negative(64, 24, 1)),
    "a convolution of a subclass in a bottleneck": changed(m_0_cv2_conv=lambda: Negative(16, 16, 3, padding=1)),
    "a last convolution alone": changed(cv2=lambda: nn.Conv2d(64, 24, 1)),
    "a last convolution in groups": changed(cv2=lambda: Conv(64, 24, g=2)),
    "one more submodule": changed(cv0=lambda: Conv(32, 16)),
    "one more submodule in a bottleneck": changed(m_0_cv3=lambda: Conv(16, 16)),
    "a bottleneck of another kind": changed(m_0=nn.Identity),
    "split by c": lambda block: setattr(block, "forward", block.forward_split),
    "a forward of a bottleneck's own": lambda block: setattr(block.m[0], "forward", doubled),
    "a forward of a convolution's own": lambda block: setattr(block.cv2, "forward", block.cv2.forward_fuse),
    "another's fused forward": lambda block: setattr(block.m[0].cv2, "forward", block.m[1].cv2.forward_fuse),
    "a hook": lambda block: block.register_forward_hook(doubled),
    "a hook before a bottleneck": lambda block: block.m[0].register_forward_pre_hook(doubled),
    "a hook after a convolution": lambda block: block.cv2.conv.register_forward_hook(doubled),
    "a hook after a sequence": lambda block: (
        changed(m_1=lambda: nn.Sequential(Bottleneck(16, 16)))(block) or block.m[1].register_forward_hook(doubled)
    ),
    "a parameter more": lambda block: block.m[0].register_parameter("gamma", nn.Parameter(torch.ones(16))),
    "a weight norm": lambda block: nn.utils.parametrizations.weight_norm(block.cv2.conv),
    "another norm": changed(cv2_bn=lambda: nn.GroupNorm(2, 24)),
}


@pytest.mark.parametrize(
    ("change", "rewritten"),
    [*((c, True) for c in REWRITTEN.values()), *((c, False) for c in LEFT.values())],
    ids=[*REWRITTEN, *LEFT],
)
def test_only_what_is_known_is_rewritten(change, rewritten):
    block = C2f(32, 24, 2, True, 1, 16 / 24)
    change(block)
    model = nn.Sequential(trained(block)).eval()
    x = torch.randn(2, 32, 7, 5)
    expected = model(x)
    with blocks_patched(model):
        assert isinstance(model[0], Increments) == rewritten
        torch.testing.assert_close(model(x), expected, atol=1e-4, rtol=1e-4)


def test_a_forks_block_is_left():
    model = nn.Sequential(trained(Forked(32, 24, 2, True)))
    assert not blocks(model)


def test_wide_kernels_of_yolov10_are_rewritten():
    model = nn.Sequential(trained(C2fCIB(32, 32, 1, True, True)))
    x = torch.randn(1, 32, 7, 5)
    expected = model(x)
    with blocks_patched(model):
        assert isinstance(model[0], Increments)
        torch.testing.assert_close(model(x), expected, atol=1e-4, rtol=1e-4)


def test_a_model_with_changed_blocks_decodes_as_ultralytics(models):
    """One block whose ``c`` no longer fits, one somebody changed, the others as they were."""
    from rknn_zoo_e2e.checkpoint.source import load_source
    from rknn_zoo_e2e.zoo import Source

    model, spec = load_source(Source(models / "weights/shapes.pt", "shapes"))
    known = blocks(model)
    first, second = list(known.values())[:2]
    first.c += 1
    second.m[0].register_forward_hook(doubled)
    assert [path for path in known if path not in blocks(model)] == [list(known)[1]]
    assert check_decode(model, spec) < 1e-3
