"""The NPU's attention against Ultralytics' own."""

from __future__ import annotations

import copy
from pathlib import Path

import onnx
import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from ultralytics.nn.modules.block import AAttn, Attention
from ultralytics.nn.modules.conv import Conv, DWConv
from ultralytics.nn.tasks import DetectionModel

from rknn_zoo_e2e.boards.soc import find_soc
from rknn_zoo_e2e.checkpoint.describe import spec_of
from rknn_zoo_e2e.conversion.export import export_onnx
from rknn_zoo_e2e.heads.attention import WIDEST_POOL, NpuAttention, attention_patched, pooling, spare_rows
from rknn_zoo_e2e.heads.patch import blocks_patched
from rknn_zoo_e2e.heads.qkv import attentions, shape_of
from rknn_zoo_e2e.heads.softmax import SoftmaxAttention
from rknn_zoo_e2e.quantization.precision import hybrid_regions, int8_tensors

IMGSZ = (96, 160)
COUNTS = {"yolov10n": 1, "yolo11n": 1, "yolo12n": 8, "yolo26n": 2}  # blocks of attention
LAYERS = {"yolov10n": 1, "yolo11n": 1, "yolo12n": 2, "yolo26n": 2}  # which have such
WHOLE = 0  # areas: a block that has none
AREAS = pytest.mark.parametrize("areas", [WHOLE, 4], ids=["whole", "areas"])


def trained(dim: int = 128, heads: int = 2, logits: float = 10.0, areas: int = WHOLE) -> Attention | AAttn:
    """Attention with batch norms that do something, whose largest logits are about ``logits`` on normal noise."""
    torch.manual_seed(dim + heads)
    attention = AAttn(dim, heads, areas) if areas else Attention(dim, heads)
    attention.eval().requires_grad_(False)
    for module in attention.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.running_var):
                tensor.data.uniform_(0.5, 2.0)
            for tensor in (module.bias, module.running_mean):
                tensor.data.normal_(0, 0.3)
    shape = shape_of(attention)
    q, k, _ = (
        attention.qkv(torch.randn(1, dim, 20, 20)).view(heads, -1, 400).split([shape.key, shape.key, shape.head], 1)
    )
    gain = (logits / (q.transpose(1, 2) @ k * shape.scale).abs().max()).sqrt()
    own = attention.qkv.bn
    attended = torch.arange(len(own.weight)).view(heads, -1)[:, : 2 * shape.key].flatten()
    own.weight.data[attended] *= gain
    own.bias.data[attended] *= gain
    return attention


class Float16(TorchFunctionMode):
    """Rounds whatever a torch function returns to fp16, as the NPU keeps every tensor; products add up in fp32."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        return out.half().float() if isinstance(out, Tensor) and out.dtype == torch.float32 else out


@pytest.mark.parametrize("length", [1, 2, 7, 8, 9, 11, 13, 100, 289, 300, 361, 400, 529, 1024, 1600])
def test_pooling_sees_every_value(length):
    values = torch.eye(length).view(length, 1, 1, length)
    for window, step in pooling(length):
        assert window <= WIDEST_POOL
        assert (values.shape[-1] - window) % step == 0 and window >= step
        values = nn.functional.max_pool2d(values, (1, window), (1, step))
    assert values.shape == (length, 1, 1, 1) and values.min() == 1


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 6), (3, 5), (13, 13), (5, 6), (19, 19), (20, 20), (15, 20)])
@pytest.mark.parametrize(("dim", "heads"), [(64, 1), (128, 2), (256, 4)])
def test_equals_ultralytics(dim, heads, size):
    attention = trained(dim, heads)
    x = torch.randn(2, dim, *size)
    for rewritten in (NpuAttention(attention, size), SoftmaxAttention(attention)):
        torch.testing.assert_close(rewritten(x), attention(x), atol=1e-4, rtol=1e-4)


# The last three have areas of half rows: their cells are a column, of 5, 169 and 35.
@pytest.mark.parametrize("size", [(4, 1), (4, 3), (4, 5), (20, 20), (40, 40), (2, 10), (26, 26), (10, 14)])
@pytest.mark.parametrize(("dim", "heads"), [(32, 1), (64, 2), (128, 4)])
@pytest.mark.parametrize("areas", [1, 2, 4])
def test_areas_equal_ultralytics(areas, dim, heads, size):
    attention = trained(dim, heads, areas=areas)
    x = torch.randn(2, dim, *size)
    for rewritten in (NpuAttention(attention, size), SoftmaxAttention(attention)):
        torch.testing.assert_close(rewritten(x), attention(x), atol=1e-4, rtol=1e-4)


def halve(attention):
    """A class of its own, which computes something else."""
    kind = type(attention)
    attention.__class__ = type("Halved", (kind,), {"forward": lambda self, x: kind.forward(self, x) / 2})


QKV = 0  # as many channels as queries, keys and values have


def conv(path: str, wide: int, out: int, *args, kind: type[Conv] = Conv, **kwargs):
    """A change of one convolution."""

    def change(attention):
        channels = out or attention.qkv.conv.out_channels
        setattr(attention, path, kind(wide, channels, *args, **{"act": False, **kwargs}))

    return change


def regrouped(attention):
    """Two heads where four were trained: what Ultralytics computes follows the attributes."""
    attention.num_heads, attention.key_dim, attention.head_dim = 2, 32, 64


def rescaled(attention):
    """Of what has areas, Ultralytics derives the scale."""
    attention.scale = -0.3


REWRITTEN = {
    "as it is": lambda attention: None,
    "another scale": rescaled,
    "other heads": regrouped,
    "wider position filters": conv("pe", 128, 128, 7, g=128),
    "another width": conv("proj", 128, 40),
    "for another export": lambda attention: setattr(attention, "format", "coreml"),
}
LEFT = {
    "a subclass": halve,
    "one more submodule": lambda attention: setattr(attention, "norm", nn.LayerNorm(128)),
    "a hook": lambda attention: attention.register_forward_hook(lambda module, inputs, output: 2 * output),
    "a hook within": lambda attention: attention.pe.register_forward_hook(lambda module, inputs, output: 2 * output),
    "a hook behind": lambda attention: attention.proj.act.register_forward_hook(lambda m, inputs, output: 2 * output),
    "a forward of its own": lambda attention: setattr(attention, "forward", attention.proj.forward),
    "an activation": conv("qkv", 128, QKV, act=True),
    "an activation behind": conv("proj", 128, 128, act=nn.ReLU()),
    "a kernel of 3": conv("qkv", 128, QKV, 3),
    "groups": conv("proj", 128, 128, g=2),
    "dense position filters": conv("pe", 128, 128, 3),
    "dilated position filters": conv("pe", 128, 128, 3, g=128, d=2),
    "position filters of another shape": conv("pe", 128, 128, (3, 5), g=128),
    "another kind of convolution": conv("qkv", 128, QKV, kind=DWConv),
    "another norm": lambda attention: setattr(attention.qkv, "bn", nn.GroupNorm(2, attention.qkv.conv.out_channels)),
}


@pytest.mark.parametrize("areas", [WHOLE, 2], ids=["whole", "areas"])
@pytest.mark.parametrize(
    ("change", "rewritten"),
    [*((c, True) for c in REWRITTEN.values()), *((c, False) for c in LEFT.values())],
    ids=[*REWRITTEN, *LEFT],
)
def test_only_what_is_known_is_rewritten(change, rewritten, areas):
    attention = trained(128, 4, areas=areas)
    change(attention)
    model = nn.Sequential(nn.Conv2d(3, 128, 1), attention).eval().requires_grad_(False)
    x = torch.randn(1, 3, 6, 5)
    expected = model(x)
    for patch, kind in ((attention_patched(model, (6, 5)), NpuAttention), (blocks_patched(model), SoftmaxAttention)):
        with patch:
            assert isinstance(model[1], kind) == rewritten
            torch.testing.assert_close(model(x), expected, atol=1e-4, rtol=1e-4)
        assert model[1] is attention


@AREAS
@pytest.mark.parametrize("logits", [1, 10, 50, 100])
def test_fp16_is_as_near_as_an_fp16_softmax(logits, areas):
    attention = trained(logits=logits, areas=areas)
    x = torch.randn(2, 128, 20, 20).half().float()
    expected, rewritten = attention(x), NpuAttention(attention, (20, 20))
    with Float16():
        stock, ours = attention(x), rewritten(x)
    error = (ours - expected).square().mean().sqrt()
    assert error < 1.5 * (stock - expected).square().mean().sqrt() + 1e-4


@pytest.mark.parametrize("multiple", [4, 8])
def test_every_map_has_whole_fours_or_eights(multiple):
    """All maps of attention from 96 x 96 px on (of eights, 224 x 224), where there are enough rows to repeat."""
    for height in range(multiple - 1, 41):
        for width in range(1, 41):
            rows = spare_rows(height, width, multiple)
            assert (height + rows) * width % multiple == 0 and rows < multiple
            assert (rows == 0) == (height * width % multiple == 0)


@pytest.mark.parametrize(("areas", "height"), [(WHOLE, 3), (2, 6)], ids=["whole", "areas"])
def test_rows_repeated_below_count_once(areas, height):
    """With so large logits that one key takes all: the one in the repeated row."""
    attention = trained(logits=100, areas=areas)
    x = torch.randn(1, 128, height, 5)
    x[:, :, ::3] *= 4
    torch.testing.assert_close(NpuAttention(attention, (height, 5))(x), attention(x), atol=1e-3, rtol=1e-3)


@AREAS
@pytest.mark.parametrize("logits", [1e3, 1e5, 1e7])
@pytest.mark.parametrize("scale", [0.0, 1.0, 10.0])
def test_fp16_survives_extreme_logits(logits, scale, areas):
    attention = trained(logits=min(logits, 5e4), areas=areas)
    x = scale * torch.randn(2, 128, 20, 20)
    rewritten = NpuAttention(attention, (20, 20))
    with Float16():
        out = rewritten(x)
    assert out.isfinite().all()


@pytest.mark.parametrize("family", COUNTS)
def test_patch_changes_attention_and_nothing_else(tmp_path: Path, family):
    model = DetectionModel(f"{family}.yaml", verbose=False).eval()
    before, state = attentions(model), copy.deepcopy(model.state_dict())
    names = [name for name, _ in model.named_modules()]
    assert len(before) == COUNTS[family]
    x = torch.rand(1, 3, *IMGSZ)
    with torch.no_grad():
        expected = model(x)[0]
        with attention_patched(model, IMGSZ) as same:
            assert same is model and not attentions(model)
            torch.testing.assert_close(model(x)[0], expected, atol=1e-3, rtol=1e-4)
    assert {path: id(module) for path, module in attentions(model).items()} == {p: id(m) for p, m in before.items()}
    assert [name for name, _ in model.named_modules()] == names
    assert not any(module._forward_pre_hooks for module in model.modules())
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(("family", "count"), COUNTS.items())
def test_attention_within_rewritten_blocks_is_rewritten_too(family, count):
    model = DetectionModel(f"{family}.yaml", verbose=False).eval()
    before, x = [id(module) for module in model.modules()], torch.rand(1, 3, *IMGSZ)
    with torch.no_grad():
        expected = model(x)[0]
        with blocks_patched(model):
            kinds = [type(module) for module in model.modules()]
            assert kinds.count(SoftmaxAttention) == count and not {Attention, AAttn} & {*kinds}
            torch.testing.assert_close(model(x)[0], expected, atol=1e-3, rtol=1e-4)
    assert [id(module) for module in model.modules()] == before


def test_patch_is_undone_after_an_error():
    model = DetectionModel("yolo11n.yaml", verbose=False).eval()
    before = list(attentions(model).values())
    with pytest.raises(RuntimeError), attention_patched(model, IMGSZ):
        raise RuntimeError
    assert list(attentions(model).values()) == before


def test_patch_leaves_a_model_without_attention_alone():
    model = DetectionModel("yolov8n.yaml", verbose=False).eval()
    modules = list(model.modules())
    with attention_patched(model, IMGSZ):
        assert list(model.modules()) == modules


@pytest.mark.slow
@pytest.mark.parametrize("family", COUNTS)
def test_exported_graph_keeps_the_regions(tmp_path: Path, family):
    model = DetectionModel(f"{family}.yaml", verbose=False).eval().fuse(verbose=False)
    model.task, model.args = "detect", {"imgsz": IMGSZ}
    model.names = {index: str(index) for index in range(model.model[-1].nc)}
    spec = spec_of(model, family, IMGSZ)
    stock, rewritten = tmp_path / "stock.onnx", tmp_path / "npu.onnx"
    export_onnx(model, spec, "flat", stock)
    with attention_patched(model, IMGSZ):
        export_onnx(model, spec, "flat", rewritten)
    soc = find_soc("rk3566")
    assert hybrid_regions(rewritten, soc) == hybrid_regions(stock, soc)
    # A block's ends are INT8 on the way in and out, so they are clipped; nothing between them is.
    clipped = int8_tensors(stock)
    blocks = [(first, last) for first, last in hybrid_regions(stock, soc) if last != "output0"]
    assert len(blocks) == LAYERS[family]
    for first, last in blocks:
        block = "/".join(first.split("/")[:2]) + "/"
        assert [name for name in clipped if name.startswith(block) and "Constant" not in name] == [first, last]
    graph = onnx.load(str(rewritten)).graph
    assert not {"Softmax", "Exp", "ReduceMax"} & {node.op_type for node in graph.node if "/attn/" in node.name}
    # Ranges measured on the stock graph serve the rewritten one: outside attention every tensor keeps its name.
    names = [{t for node in onnx.load(str(p)).graph.node for t in node.output} for p in (stock, rewritten)]
    assert all("/attn/" in name for name in names[0] ^ names[1] if name.startswith("/model."))
