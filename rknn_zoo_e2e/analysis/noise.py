"""The noise of INT8 in what each block gives: one graph that computes everything three times and compares.

- exact: the fp32 graph;
- alone: each block in INT8 by itself, reading the exact values of those before it;
- state: the whole graph with what is INT8 in it, so that noise passes from block to block.

The signal-to-noise ratio is 10 log10(sum of x^2 / sum of (x - y)^2), of a block's outputs x in the exact graph and y as
those that read them find them, over all values of all pictures, in dB.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper

from rknn_zoo_e2e.analysis.blocks import Block
from rknn_zoo_e2e.quantization.emulation import ROUNDED, Precision
from rknn_zoo_e2e.toolkit.job import Ranges
from rknn_zoo_e2e.vision.arrays import Array, Floats

ALONE, STATE = ":alone", ":state"
ENERGIES = ("signal", ALONE, STATE)


def comparison(blocks: Sequence[Block], state: Precision, ranges: Ranges) -> onnx.ModelProto:
    """The graph that compares.

    Its outputs are those of the exact graph, those of the state, then of each block the sum of squares of what it
    gives, of its noise alone and of its noise in the state.
    """
    result = onnx.ModelProto()
    result.CopyFrom(state.model)
    graph = result.graph
    ends = list(graph.output)
    every = state.with_wide(()).emulated(ranges)
    alone = _added(graph, every, ALONE, {name: block.inputs for block in blocks for name in block.tensors})
    in_state = _added(graph, state.emulated(ranges), STATE, {})
    graph.output.extend(_renamed(end, f"{end.name}{STATE}") for end in ends)
    for index, block in enumerate(blocks):
        sums: dict[str, list[str]] = {kind: [] for kind in ENERGIES}
        for place, tensor in enumerate(block.outputs):
            where = f"energy:{index}:{place}"
            sums["signal"].append(_energy(graph, tensor, where))
            for kind, made in ((ALONE, alone), (STATE, in_state)):
                given = next(name for name in (f"{tensor}{ROUNDED}{kind}", f"{tensor}{kind}") if name in made)
                graph.node.append(helper.make_node("Sub", [tensor, given], [f"{where}{kind}:noise"]))
                sums[kind].append(_energy(graph, f"{where}{kind}:noise", f"{where}{kind}"))
        for kind, parts in sums.items():
            name = f"energy:{index}:{kind}"
            graph.node.append(helper.make_node("Sum", parts, [name]))
            graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, []))
    return result


def _added(graph: onnx.GraphProto, model: onnx.ModelProto, suffix: str, exact: dict[str, tuple[str, ...]]) -> set[str]:
    """Adds a graph's operators to another one's, all they give with a suffix; weights are shared.

    Args:
        exact: tensor -> what its operator reads from the other graph.

    Returns:
        The names of the tensors added.
    """
    held = {tensor.name for tensor in graph.initializer}
    graph.initializer.extend(tensor for tensor in model.graph.initializer if tensor.name not in held)
    made = {name for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        copy = graph.node.add()
        copy.CopyFrom(node)
        copy.name = ""
        outside = {name for given in node.output for name in exact.get(given, ())}
        for place, name in enumerate(node.input):
            source = name.removesuffix(ROUNDED)
            copy.input[place] = source if source in outside else f"{name}{suffix}" if name in made else name
        copy.output[:] = [f"{name}{suffix}" if name else name for name in node.output]
    return {f"{name}{suffix}" for name in made}


def _energy(graph: onnx.GraphProto, tensor: str, name: str) -> str:
    """The sum of a tensor's squares, by that name."""
    graph.node.append(helper.make_node("ReduceSumSquare", [tensor], [name], keepdims=0))
    return name


def _renamed(value: onnx.ValueInfoProto, name: str) -> onnx.ValueInfoProto:
    copy = onnx.ValueInfoProto()
    copy.CopyFrom(value)
    copy.name = name
    return copy


class Energies:
    """The sums of squares of all blocks over pictures."""

    def __init__(self, blocks: int) -> None:
        self.sums: Array = np.zeros((blocks, len(ENERGIES)))

    def add(self, found: Iterable[Floats]) -> None:
        """Those of one picture, as :func:`comparison`'s graph gives them after the outputs."""
        self.sums += np.array([float(value) for value in found]).reshape(self.sums.shape)

    def decibels(self, block: int, kind: str) -> float | None:
        """The signal-to-noise ratio of a block, alone or in the state; None where there is no noise."""
        signal, noise = self.sums[block, 0], self.sums[block, ENERGIES.index(kind)]
        return 10 * math.log10(signal / noise) if noise > 0 and signal > 0 else None
