"""The precision plan: heads and blocks say where their numbers leave INT8, and nothing stays there unsaid."""

from __future__ import annotations

import re
from pathlib import Path

import onnx
import pytest
import torch
from support.untrained import built
from torch import nn
from ultralytics.nn.modules.block import PSABlock
from ultralytics.nn.modules.head import Detect, Pose
from ultralytics.utils.tal import make_anchors

from rknn_zoo_e2e.checkpoint.describe import spec_of
from rknn_zoo_e2e.conversion.export import OPSET, export_onnx
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.heads import registry
from rknn_zoo_e2e.heads.attention import attention_patched
from rknn_zoo_e2e.heads.boundary import DOMAIN, Boundary
from rknn_zoo_e2e.heads.detect import DetectTail
from rknn_zoo_e2e.heads.patch import blocks_patched, patched
from rknn_zoo_e2e.heads.pose import PoseTail
from rknn_zoo_e2e.heads.qkv import attentions
from rknn_zoo_e2e.heads.reference import check_decode
from rknn_zoo_e2e.quantization.precision import BOUNDARIES_KEY, POWER, STEM_POWER, Boundaries, int8_tensors, regions
from rknn_zoo_e2e.quantization.ranges import quantised_tensors
from rknn_zoo_e2e.toolkit.job import BuildJob
from rknn_zoo_e2e.toolkit.worker import float_tensors

pytestmark = pytest.mark.slow

SIZE = (64, 64)


def exported(model: nn.Module, path: Path, npu: bool = False) -> Path:
    """The model's graph at a small size; for NPUs without Softmax and floats if so."""
    if npu and attentions(model):
        with attention_patched(model, SIZE):
            export_onnx(model, spec_of(model, "built", SIZE), "flat", path, floats=False)
    else:
        export_onnx(model, spec_of(model, "built", SIZE), "flat", path, floats=not npu)
    return path


def by_names(graph: onnx.GraphProto) -> tuple[list[tuple[str, str]], set[str]]:
    """Regions, and tensors of the first two convolutions, by the names torch 2.4 derives from Ultralytics' modules.

    This is how they were found once: by rules that hold for the families here and for nothing else.
    """
    tensors = {name for node in graph.node for name in node.output}
    starts = {}
    for node in graph.node:
        if re.search(r"/last\.\d+/Conv$", node.name):
            # The coarser levels of key points leave one convolution earlier.
            stem = re.fullmatch(r"(/model\.\d+/stems\.[1-9]/stems\.\d\.)1/act/Mul_output_0", node.input[0])
            starts[f"{stem[1]}0/act/Mul_output_0" if stem else node.input[0]] = "output0"
    layers = dict.fromkeys(match[1] for node in graph.node if (match := re.match(r"(/model\.\d+)/.*attn/", node.name)))
    blocks = [(f"{layer}/cv1/act/Mul_output_0", f"{layer}/cv2/act/Mul_output_0") for layer in layers]
    stem = r"/model\.[012]/" if "/model.1/MaxPool_output_0" in tensors else r"/model\.[01]/"
    return [*starts.items(), *blocks], {name for name in tensors if re.match(stem, name)}


# Family, task, and its regions: three levels of each branch (two branches of key points have theirs in common), and
# one for each layer that attends.
CASES = [
    ("yolov8", "", 6),
    ("yolov8", "-pose", 9),
    ("yolov8", "-seg", 9),
    ("yolov8", "-obb", 9),
    ("yolo11", "", 7),
    ("yolo11", "-pose", 10),
    ("yolo11", "-seg", 10),
    ("yolo11", "-obb", 10),
    ("yolo26", "", 8),
    ("yolo26", "-pose", 11),
    ("yolo26", "-seg", 11),
    ("yolo26", "-obb", 11),
    ("yolov3", "", 4),  # two levels
    ("yolov5", "", 6),
    ("yolov5-p6", "", 8),  # four
    ("yolov9", "", 6),
    ("yolov9", "-seg", 9),
    ("yolov10", "", 7),  # PSA
    ("yolo12", "", 8),  # A2C2f
]


@pytest.mark.parametrize("npu", [False, True], ids=["stock", "npu"])
@pytest.mark.parametrize(("family", "suffix", "count"), CASES)
def test_every_branch_and_attention_has_its_region(tmp_path: Path, family, suffix, count, npu):
    path = exported(built(family, suffix), tmp_path / "model.onnx", npu)
    graph = onnx.load(path).graph
    expected, stem = by_names(graph)
    found = regions(path)
    assert list(found) == expected and len(found) == count
    powers = int8_tensors(path)
    assert {name for name, power in powers.items() if power == STEM_POWER} == stem & powers.keys()
    assert len(stem & powers.keys()) == 2 and set(powers.values()) == {STEM_POWER, POWER}
    inner = [name for name in powers if "/last." in name or ("/attn/" in name and "Constant" not in name)]
    assert "output0" not in powers and not inner
    assert {name for pair in found for name in pair} - powers.keys() == {"output0"}
    assert powers.keys() < set(quantised_tensors(path))


@pytest.mark.parametrize(("family", "suffix"), [("yolov8", "-seg"), ("yolo26", "-pose")])
def test_the_marks_leave_nothing_but_a_word_in_the_graph(tmp_path: Path, monkeypatch, family, suffix):
    model = built(family, suffix)
    marked = onnx.load(exported(model, tmp_path / "marked.onnx"))
    onnx.checker.check_model(marked)
    assert DOMAIN not in {node.domain for node in marked.graph.node} | {used.domain for used in marked.opset_import}
    assert [entry.key for entry in marked.metadata_props] == [BOUNDARIES_KEY]

    monkeypatch.setattr(Boundary, "forward", lambda self, x: x)
    with blocks_patched(model), patched(model, spec_of(model, "built", SIZE), "flat"):
        torch.onnx.export(model, (torch.zeros(1, 3, *SIZE),), str(tmp_path / "plain.onnx"), opset_version=OPSET)
    plain = onnx.load(tmp_path / "plain.onnx")
    nodes = [[(node.op_type, list(node.attribute)) for node in one.graph.node] for one in (marked, plain)]
    weights = [[tensor.raw_data for tensor in one.graph.initializer] for one in (marked, plain)]
    assert nodes[0] == nodes[1] and weights[0] == weights[1]
    assert not any(one.graph.value_info for one in (marked, plain))


def test_activations_of_another_kind_are_no_reason_to_stay_int8(tmp_path: Path):
    """A model trained with ReLU: no tensor has the name it has after SiLU."""
    model = built("yolo11", "-pose")
    for module in model.modules():
        if isinstance(getattr(module, "act", None), nn.SiLU):
            module.act = nn.ReLU()
    path = exported(model, tmp_path / "model.onnx")
    assert len(regions(path)) == 10
    earlier = [first for first, _ in regions(path) if re.search(r"/stems\.[12]/stems\.\d\.0/act/Relu", first)]
    assert len(earlier) == 2


def test_a_layer_that_attends_in_another_way_leaves_int8_as_a_whole(tmp_path: Path):
    model = built("yolov8", "")
    block = PSABlock(256, num_heads=4).eval().requires_grad_(False)  # no cv1 and cv2 around it
    block.i, block.f, block.type, block.np = 9, -1, "PSABlock", 0
    model.model[9] = block
    stock, npu = exported(model, tmp_path / "stock.onnx"), exported(model, tmp_path / "npu.onnx", npu=True)
    whole = ("/model.8/cv2/act/Mul_output_0", "/model.9/Add_1_output_0")
    assert regions(stock)[6:] == (whole,) and regions(npu)[6:] == (whole,)
    assert [n for n in int8_tensors(stock) if n.startswith("/model.9/") and "Constant" not in n] == [whole[1]]


class Unsaid(DetectTail):
    """Forgets to say where its scores leave INT8."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.scores.branch.leaves = nn.ModuleList(nn.Identity() for _ in self.scores.branch.leaves)


class Uncomputed(DetectTail):
    """Says where something leaves INT8 that it never computes."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.more = type(self.scores.branch.leaves[0])("leaves", "masks.0")


class OddDetect(Detect):
    """A made-up family's head."""


@pytest.fixture
def families(monkeypatch):
    """Families registered in a test are gone after it."""
    monkeypatch.setattr(registry, "TAILS", dict(registry.TAILS))


def odd(kind: type[Detect], suffix: str = "") -> nn.Module:
    model = built("yolov8", suffix)
    model.model[-1].__class__ = kind
    return model


def test_a_branch_that_says_nothing_is_refused(tmp_path: Path, families):
    registry.register(OddDetect, Unsaid)
    path = exported(odd(OddDetect), tmp_path / "model.onnx")
    for plan in (regions, int8_tensors):
        with pytest.raises(UserError, match="of what output0 is computed from, something never leaves INT8"):
            plan(path)


def test_a_boundary_that_is_not_computed_is_refused(tmp_path: Path, families):
    registry.register(OddDetect, Uncomputed)
    with pytest.raises(UserError, match=r"lacks leaves of masks\.0"):
        exported(odd(OddDetect), tmp_path / "model.onnx")


def test_a_graph_that_says_nothing_is_refused(tmp_path: Path):
    path = exported(built("yolov8", ""), tmp_path / "model.onnx")
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.save(model, path)
    with pytest.raises(UserError, match="does not say which of its tensors leave INT8"):
        regions(path)


BOX, LATER = "/model.2/cv1/act/Mul_output_0", "/model.2/cv2/act/Mul_output_0"


@pytest.mark.parametrize(
    ("leaves", "returns", "said"),
    [
        ([("block", LATER)], [("block", BOX)], f"computed from {LATER} .block. does not come to {BOX}"),
        ([("block", BOX)], [("block", BOX)], "does not come to"),
        ([("block", BOX), ("block", "images")], [("block", LATER)], "does not come to"),
        ([], [("block", LATER)], "block returns to INT8 without leaving it"),
    ],
    ids=["backwards", "empty", "unrelated", "never left"],
)
def test_regions_that_cannot_be_are_refused(tmp_path: Path, leaves, returns, said):
    path = exported(built("yolov8", ""), tmp_path / "model.onnx")
    model = onnx.load(path)
    own = Boundaries.read(model)
    Boundaries([*own.leaves, *leaves], returns, own.stem).write(model)
    onnx.save(model, path)
    with pytest.raises(UserError, match=said):
        regions(path)


class CentredPose(Pose):
    """A made-up family: key points in cells from the centre of their cell, by the convolutions of ``Pose``."""

    def kpts_decode(self, kpts: torch.Tensor) -> torch.Tensor:
        anchors, strides = (x.transpose(0, 1) for x in make_anchors(self.levels(), self.stride, 0.5))
        y = kpts.clone()
        y[:, 0::3] = (y[:, 0::3] + anchors[0]) * strides
        y[:, 1::3] = (y[:, 1::3] + anchors[1]) * strides
        y[:, 2::3] = y[:, 2::3].sigmoid()
        return y

    def levels(self) -> list[torch.Tensor]:
        return [torch.zeros(1, 1, SIZE[0] // int(s), SIZE[1] // int(s)) for s in self.stride]


class CentredPoseTail(PoseTail):
    scale, origin = 1.0, 0.0


def test_a_made_up_family_needs_its_registration_alone(tmp_path: Path, families):
    model = odd(CentredPose, "-pose")
    with pytest.raises(UserError, match="a pose model with a CentredPose head, which cannot be converted"):
        spec_of(model, "made-up", SIZE)
    registry.register(CentredPose, CentredPoseTail)
    spec = spec_of(model, "made-up", SIZE)
    assert spec.task == "pose" and spec.kpt_shape == (17, 3)
    assert check_decode(model, spec) < 1e-3
    assert len(regions(exported(model, tmp_path / "model.onnx"))) == 9


def test_a_class_has_one_tail(families):
    registry.register(OddDetect, DetectTail)
    with pytest.raises(ValueError, match="OddDetect heads are decoded by DetectTail"):
        registry.register(OddDetect, PoseTail)


def test_a_head_of_another_task_is_refused():
    model = built("yolov8", "-pose")
    model.task = "detect"
    with pytest.raises(UserError, match="a detect model with a Pose head"):
        spec_of(model, "odd")


def test_ranges_of_fp16_blocks_are_not_asked_for(tmp_path: Path):
    """Found by what reads what: the regions of a bundle built earlier say no more than where they begin and end."""
    path = exported(built("yolo11", ""), tmp_path / "model.onnx")
    graph, hybrid = onnx.load(path).graph, regions(path)
    floats = float_tensors(BuildJob(path, "rk3588", "int8", hybrid))
    attention = {name for node in graph.node if "/attn/" in node.name for name in node.output}
    consumed = {name for node in graph.node for name in node.input}
    assert attention & consumed <= set(floats) and not {name for pair in hybrid for name in pair} & set(floats)
    assert all(name.startswith("/model.10/") or "Constant" in name or "onnx::" in name for name in floats)
    assert float_tensors(BuildJob(path, "rv1106", "int8", hybrid)) == ()
    assert float_tensors(BuildJob(path, "rk3588", "fp16")) == ()
