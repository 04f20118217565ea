"""INT8 emulated on the exported graph: tensors and weights rounded as the NPU's are, computed by ONNX Runtime in fp32.

An operator is computed in INT8, or in more bits ("wide": fp16 or int16, here fp32). A tensor is rounded where an INT8
operator makes or reads it; between two wide operators it stays as it is, as in the toolkit's hybrid builds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rknn_zoo_e2e.quantization.clipping import grid_of
from rknn_zoo_e2e.quantization.ranges import quantised_in
from rknn_zoo_e2e.toolkit.graph import between, makers_of, readers_of
from rknn_zoo_e2e.toolkit.job import Ranges
from rknn_zoo_e2e.toolkit.weight_grids import better_grid, on_grid
from rknn_zoo_e2e.vision.arrays import Array, Floats, Pixels

ROUNDED = ":rounded"  # added to a tensor's name
Regions = Collection[tuple[str, str]]


@dataclass(frozen=True)
class Precision:
    """What of a graph is computed in INT8.

    Attributes:
        model: the graph.
        flowing: its float tensors that are computed from the picture.
        quantised: those that are INT8 where an INT8 operator makes or reads them, the outputs among them.
        wide: those whose operators are computed in more bits.
        weights: rounded ones of convolutions by name, filled as they are needed.
    """

    model: onnx.ModelProto
    flowing: frozenset[str]
    quantised: frozenset[str]
    wide: frozenset[str] = frozenset()
    weights: dict[str, onnx.TensorProto] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, model: onnx.ModelProto, regions: Regions = ()) -> Precision:
        """With [first tensor, last tensor] of each region that leaves INT8; the operator of the last one does, too."""
        graph = onnx.shape_inference.infer_shapes(model).graph
        flowing = frozenset(flowing_in(graph))
        inside = {name for first, last in regions for name in (*between(graph, first, last), last)}
        return cls(model, flowing, frozenset((*quantised_in(model), *outputs_computed(graph))), flowing & inside)

    def with_wide(self, wide: Collection[str]) -> Precision:
        """The same graph with other tensors computed in more bits."""
        return replace(self, wide=frozenset(wide))

    def int8(self, node: onnx.NodeProto) -> bool:
        """Whether an operator is INT8."""
        return any(name in self.flowing and name not in self.wide for name in node.output)

    def rounds(self, tensor: str, reader: onnx.NodeProto | None) -> bool:
        """Whether an operator, or None who reads the graph's outputs, finds that tensor rounded."""
        if tensor not in self.quantised:
            return False
        return tensor not in self.wide or (reader is not None and self.int8(reader))

    def converts(self, tensor: str, readers: Iterable[onnx.NodeProto]) -> bool:
        """Whether an operator of the other type than the tensor's own reads it."""
        reading = [reader for reader in readers if not self.flowing.isdisjoint(reader.output)]
        return any(self.int8(reader) == (tensor in self.wide) for reader in reading)

    def emulated(self, ranges: Ranges) -> onnx.ModelProto:
        """The graph, emulated."""
        return emulated(self.model, ranges, self.rounds, self.int8, self.weights)

    def emulated_alone(self, tensors: Collection[str], ranges: Ranges) -> onnx.ModelProto:
        """The graph with the operators that give some tensors in INT8 and nothing else, not even what they read."""

        def rounds(tensor: str, reader: onnx.NodeProto | None) -> bool:
            return tensor in tensors and tensor in self.quantised

        return emulated(
            self.model, ranges, rounds, lambda node: any(name in tensors for name in node.output), self.weights
        )


def flowing_in(graph: onnx.GraphProto) -> set[str]:
    """Float tensors computed from the picture, itself among them; the graph has the types of all."""
    values = (*graph.value_info, *graph.input, *graph.output)
    floats = {value.name for value in values if value.type.tensor_type.elem_type == TensorProto.FLOAT}
    found = {value.name for value in graph.input}
    for node in graph.node:
        if found.intersection(node.input):
            found.update(name for name in node.output if name in floats)
    return found


def outputs_computed(graph: onnx.GraphProto) -> list[str]:
    """The graph's outputs but for those that are another tensor in another shape, which is rounded before."""
    makers = makers_of(graph)
    return [output.name for output in graph.output if makers[output.name].op_type not in ("Reshape", "Flatten")]


def emulated(
    model: onnx.ModelProto,
    ranges: Ranges,
    rounds: Callable[[str, onnx.NodeProto | None], bool],
    rounds_weights: Callable[[onnx.NodeProto], bool],
    cache: dict[str, onnx.TensorProto] | None = None,
) -> onnx.ModelProto:
    """A copy of a graph with tensors and weights rounded.

    Args:
        model: the exported graph.
        ranges: of its tensors; one without a range is not rounded.
        rounds: whether an operator (None: who reads the graph's outputs) finds a tensor rounded. What is rounded has
            the tensor's name and :data:`ROUNDED`; that of an output is the output.
        rounds_weights: whether a convolution's weights are.
        cache: rounded weights by name, to share among several of one graph.
    """
    cache = {} if cache is None else cache
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    readers, outputs = readers_of(graph), {output.name for output in graph.output}
    weights = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    made: set[str] = set()  # tensors and weights that there are rounded, too
    exact: dict[str, str] = {}  # an output that is rounded -> the name of its exact value
    for node in graph.node:
        for place, name in enumerate(node.input):
            if f"{name}{ROUNDED}" in made and rounds(name, node):
                node.input[place] = f"{name}{ROUNDED}"
            else:
                node.input[place] = exact.get(name, name)
        if node.op_type == "Conv" and node.input[1] in weights and rounds_weights(node):
            tensor = weights[node.input[1]]
            if tensor.name not in made:
                made.add(tensor.name)
                if tensor.name not in cache:
                    values = rounded_weights(numpy_helper.to_array(tensor))
                    cache[tensor.name] = numpy_helper.from_array(values, f"{tensor.name}{ROUNDED}")
                graph.initializer.append(cache[tensor.name])
            node.input[1] = f"{tensor.name}{ROUNDED}"
        nodes.append(node)
        for place, name in enumerate(node.output if node.op_type != "Constant" else ()):
            to_output = name in outputs and rounds(name, None)
            if name not in ranges or not (to_output or any(rounds(name, reader) for reader in readers.get(name, ()))):
                continue
            source, target = name, f"{name}{ROUNDED}"
            if to_output:
                source = exact[name] = node.output[place] = f"{name}:exact"
                target = name
            else:
                made.add(target)
            nodes += rounding(graph, source, target, ranges[name][0][0], ranges[name][1][0])
    del graph.node[:]
    graph.node.extend(nodes)
    return result


def rounding(graph: onnx.GraphProto, source: str, target: str, low: float, high: float) -> list[onnx.NodeProto]:
    """The two operators that round a tensor to 256 values from low to high."""
    step, zero = grid_of(low, high)
    grid = [f"{target}:step", f"{target}:zero"]
    graph.initializer.append(numpy_helper.from_array(np.float32(step), grid[0]))
    graph.initializer.append(helper.make_tensor(grid[1], TensorProto.INT8, [], [zero]))
    return [
        helper.make_node("QuantizeLinear", [source, *grid], [f"{target}:int8"]),
        helper.make_node("DequantizeLinear", [f"{target}:int8", *grid], [target]),
    ]


def rounded_weights(weights: Array) -> Array:
    """A convolution's weights (C, ...) as the toolkit is told to round them."""
    flat = weights.reshape(len(weights), -1).astype(np.float64)
    step, zero = better_grid(flat)
    return on_grid(flat, step[:, None], zero[:, None]).reshape(weights.shape).astype(np.float32)


class Emulator:
    """A graph of :func:`emulated` in ONNX Runtime."""

    backend = "emulator"

    def __init__(self, model: onnx.ModelProto) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # Its last pass, blocks of channels, breaks where rounding stands between them.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        self.session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self.input = model.graph.input[0].name

    def infer(self, rgb: Pixels) -> list[Floats]:
        """A letterboxed picture (H, W, 3) uint8 RGB to the outputs, float32."""
        outputs: list[Floats] = self.session.run(
            None, {self.input: rgb.transpose(2, 0, 1)[None].astype(np.float32) / 255}
        )
        return outputs

    def close(self) -> None:
        """Lets go of the graph and its threads."""
        del self.session
