"""YOLOv9e's sums of maps, rewritten."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from torch import Tensor, nn
from ultralytics.nn.modules.block import CBFuse

from rknn_zoo_e2e.heads.fusion import Additions, fusions
from rknn_zoo_e2e.heads.patch import blocks_patched


def maps(generator: torch.Generator) -> list[list[Tensor] | Tensor]:
    """What layers before give: two parts of a half and a quarter of the size, and the map they are added to."""

    def drawn(channels: int, side: int) -> Tensor:
        return torch.randn(1, channels, side, side, generator=generator)

    return [[drawn(4, 4), drawn(8, 4)], [drawn(8, 2)], drawn(8, 8)]


def test_sums_as_ultralytics_does():
    block, given = CBFuse([1, 0]), maps(torch.Generator().manual_seed(0))
    torch.testing.assert_close(Additions(block)(given), block(given))


def test_the_graph_adds_and_stacks_nothing(tmp_path: Path):
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fuse = CBFuse([1, 0])

        def forward(self, quarter: Tensor, half: Tensor, whole: Tensor) -> Tensor:
            return self.fuse([[half, quarter], [half], whole])

    model = Model().eval()
    shapes = [(1, 8, 2, 2), (1, 8, 4, 4), (1, 8, 8, 8)]
    with blocks_patched(model):
        torch.onnx.export(model, tuple(map(torch.zeros, shapes)), str(tmp_path / "model.onnx"), opset_version=12)
    assert isinstance(model.fuse, CBFuse), "the block is back"
    operators = {node.op_type for node in onnx.load(str(tmp_path / "model.onnx")).graph.node}
    assert {"Add", "Resize"} <= operators and not {"ReduceSum", "Unsqueeze"} & operators


def test_what_was_derived_from_it_is_left_alone():
    class Mean(CBFuse):
        def forward(self, xs: list[Tensor]) -> Tensor:
            return super().forward(xs) / len(xs)

    model = nn.ModuleDict({"ours": CBFuse([0]), "theirs": Mean([0])})
    assert set(fusions(model)) == {"ours"}
