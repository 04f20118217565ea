"""The precision plan: which tensors of the exported graph leave INT8.

The modules that compute them say so (``heads.boundary``), and the graph carries it along (:class:`Boundaries`).

Measured on yolov8n, 640 px, 308 COCO pictures, rk3566, in the vendor's simulator (mAP50-95; fp32 0.3879): everything
INT8 0.3580; only sigmoids and decode in fp16 0.3787; from the input of every branch's last convolution 0.3858.
Attention in INT8 costs yolo11n 2.6 of 44.5 points; in fp16 too it keeps 44.1.

Tensors are clipped at the least square error, those of the first two convolutions at the least error to the power of
1.5: there extremes are edges, which matter less than the rounding of everything else. The mean error of scores falls by
2 to 15 % so (yolov8n, yolov8n-seg, yolo11n, yolo26n; 50 pictures, eight sets of calibration pictures, emulated). In
later layers the extremes are what the model looks for: with the power of 1.5 everywhere it rises by 60 %.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import onnx

from rknn_zoo_e2e.boards.soc import Soc
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.quantization.ranges import quantised_tensors
from rknn_zoo_e2e.toolkit.graph import before, between

STEM_POWER, POWER = 1.5, 2.0
BOUNDARIES_KEY = "int8_boundaries"  # in the graph's metadata_props, JSON


@dataclass(frozen=True)
class Boundaries:
    """Where a graph's numbers leave INT8 and come back, as (region, tensor) in the graph's order.

    Attributes:
        leaves: where regions begin, the first of each counts; what leaves once more has left already.
        returns: where they end, the last of each counts; those that return nowhere end at the graph's first output.
        stem: the last tensor of the first two convolutions.
        int8: whether outputs may be INT8: what reads them expects it.
    """

    leaves: Sequence[tuple[str, str]]
    returns: Sequence[tuple[str, str]] = ()
    stem: Sequence[tuple[str, str]] = ()
    int8: bool = False

    def write(self, model: onnx.ModelProto) -> None:
        """Has the graph carry them."""
        onnx.helper.set_model_props(model, {BOUNDARIES_KEY: json.dumps(asdict(self))})

    @classmethod
    def read(cls, model: onnx.ModelProto) -> Boundaries:
        """Those a graph carries. Raises :class:`UserError` where it carries none."""
        said = {entry.key: entry.value for entry in model.metadata_props}
        if BOUNDARIES_KEY not in said:
            raise UserError(
                "The graph does not say which of its tensors leave INT8.",
                "Convert the checkpoint again: graphs of earlier versions did not.",
            )
        return cls(**json.loads(said[BOUNDARIES_KEY]))


def int8_tensors(path: Path) -> dict[str, float]:
    """Tensors of the graph outside every region, those at which one begins or ends among them, whatever the SoC.

    Returns:
        Name -> the power of its error that clipping it is to make least.
    """
    model = onnx.load(str(path), load_external_data=False)
    graph, inside = model.graph, set[str]()
    outputs = {output.name for output in graph.output}
    for first, last in planned(model):
        inside |= between(graph, first, last) | ({last} & outputs)
    said = Boundaries.read(model)
    stem = set().union(*(before(graph, tensor, set()) for _, tensor in said.stem))
    if said.int8:  # what is found depends on the largest values of outputs, which clipping would take
        convolved = {name for node in graph.node if node.op_type == "Conv" for name in node.output}
        inside |= set().union(*(before(graph, name, convolved) for name in outputs))
    names = [name for name in quantised_tensors(path) if name not in inside]
    return {name: STEM_POWER if name in stem else POWER for name in names}


def hybrid_regions(path: Path, soc: Soc) -> tuple[tuple[str, str], ...]:
    """[first tensor, last tensor] of each region that is not INT8 on this SoC."""
    return () if soc.tail == "int8" else regions(path)


def regions(path: Path) -> tuple[tuple[str, str], ...]:
    """[first tensor, last tensor] of each region that leaves INT8 where the SoC can.

    Raises:
        UserError: something of the head or a block would stay INT8 without anybody having said so.
    """
    return planned(onnx.load(str(path), load_external_data=False))


def planned(model: onnx.ModelProto) -> tuple[tuple[str, str], ...]:
    """The regions of a graph, see :func:`regions`: those of the head's branches first."""
    output = model.graph.output[0].name
    pairs = sorted(((start, end) for _, start, end in named(model)), key=lambda pair: pair[1] != output)
    return tuple(dict.fromkeys(pairs))


def named(model: onnx.ModelProto) -> list[tuple[str, str, str]]:
    """The regions of a graph with their names, see :func:`regions`: name, first and last tensor of each."""
    graph, said = model.graph, Boundaries.read(model)
    output, returns = graph.output[0].name, dict(said.returns)
    first: dict[str, str] = {}
    for region, tensor in said.leaves:
        first[region] = first.pop(region, tensor)  # in the order of the last that name it
    ends = [(region, start, returns.get(region, output)) for region, start in first.items()]
    for region, start, end in ends:
        inner = {tensor for name, tensor in said.leaves if name == region} - {start}
        if start == end or start not in before(graph, end, {start}) or inner - between(graph, start, end):
            raise _unknown(f"what is computed from {start} ({region}) does not come to {end}")
    branches = {start for _, start, end in ends if end == output}
    if not said.int8 and graph.input[0].name in before(graph, output, branches):
        raise _unknown(f"of what {output} is computed from, something never leaves INT8")
    if left := returns.keys() - first.keys():
        raise _unknown(f"{min(left)} returns to INT8 without leaving it")
    return ends


def _unknown(what: str) -> UserError:
    return UserError(
        f"This model's precision cannot be planned: {what}.",
        "Report this with the checkpoint's origin; its head or a block is one this tool does not know.",
    )
