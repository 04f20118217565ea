"""The blocks of a graph: parts people know by name, each of which can leave INT8 alone.

They are Ultralytics' layers (``model.6``), of a layer that attends what attends and the rest, and of the head the
branches' stems and last convolutions level by level, what decodes them, and whatever else it computes (``proto``).
Layers without weights (Concat, Upsample) are no blocks: there is nothing to gain in them alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import onnx

from rknn_zoo_e2e.quantization.emulation import flowing_in
from rknn_zoo_e2e.quantization.precision import named
from rknn_zoo_e2e.toolkit.graph import after, before, between, makers_of, readers_of

LAYER = re.compile(r"/?([^/]+)(?:/([^/]+))?")  # of a node's name, and what of it within the layer
DECODE = "decode"  # what makes boxes of what the branches give
WEIGHTED = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
BRANCHES = {  # what the head's regions are called (rknn_zoo_e2e.heads) -> for people
    "boxes": "box branch",
    "scores": "class branch",
    "key_points": "key point branch",
    "coefficients": "mask branch",
    "angle": "angle branch",
}


@dataclass(frozen=True)
class Block:
    """A part of a graph.

    Attributes:
        name: as it is shown; no other block has it.
        tensors: float tensors its operators give.
        inputs: tensors of other blocks, or the graph's input, that they read.
        outputs: those of ``tensors`` that others read, and the graph's outputs among them.
        regions: [first tensor, last tensor] of what leaves INT8 with it.
        stride: input px per cell of what it gives, or else reads; None where neither is a map of the picture.
    """

    name: str
    tensors: frozenset[str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    regions: tuple[tuple[str, str], ...]
    stride: float | None


def blocks_of(model: onnx.ModelProto) -> list[Block]:
    """The blocks of an exported graph in its order.

    Raises:
        UserError: the graph does not say where its head and its attention begin.
    """
    shaped = onnx.shape_inference.infer_shapes(model)
    graph = shaped.graph
    values = (*graph.value_info, *graph.input, *graph.output)
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in values}
    flowing = flowing_in(graph)
    names = _names(model, shapes, flowing)
    parts: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        if node.output[0] in names:
            parts.setdefault(names[node.output[0]], []).append(node)
    readers = readers_of(graph)
    ends = {output.name for output in graph.output}
    found = []
    for name, nodes in parts.items():
        if not any(node.op_type in WEIGHTED for node in nodes):
            continue
        tensors = frozenset(tensor for node in nodes for tensor in node.output)
        inputs = tuple(dict.fromkeys(t for node in nodes for t in node.input if t in flowing and t not in tensors))
        outside = flowing - tensors
        read = {t for t in tensors if any(outside.intersection(reader.output) for reader in readers.get(t, ()))}
        outputs = tuple(t for node in nodes for t in node.output if t in ends or t in read)
        pairs = tuple((a, b) for a in inputs for b in outputs if a in before(graph, b, {*inputs}))
        stride = _stride(shapes, graph, outputs[0]) or _stride(shapes, graph, inputs[0])
        found.append(Block(name, tensors, inputs, outputs, pairs, stride))
    return found


def _names(model: onnx.ModelProto, shapes: dict[str, list[int]], flowing: set[str]) -> dict[str, str]:
    """The block of each tensor, by name."""
    graph, makers = model.graph, makers_of(model.graph)
    head, _ = _layer(makers[graph.output[0].name])
    output = graph.output[0].name
    found: dict[str, str] = {}
    of_head: dict[str, set[str]] = {}  # branch and level -> what is computed from where it leaves INT8
    for region, start, end in named(model):
        if end != output:
            attending = between(graph, start, end) | {end}
            layer, _ = _layer(makers[end])
            found |= dict.fromkeys(attending, f"{layer} attention")
            continue
        kind, _, level = region.rpartition(".")
        stride = _stride(shapes, graph, start)
        name = f"{BRANCHES.get(kind, kind)}, stride {stride:g}" if stride else f"{BRANCHES.get(kind, kind)} {level}"
        for tensor in before(graph, start, set()):
            if tensor in makers and _layer(makers[tensor])[0] == head:
                found.setdefault(tensor, f"{name}: stem")
        of_head[f"{name}: last"] = after(graph, start, "") | {output}
    attends = set(found.values())
    for tensor in flowing & makers.keys() - found.keys():
        layer, part = _layer(makers[tensor])
        branches = [name for name, reached in of_head.items() if tensor in reached]
        if layer != head:
            found[tensor] = f"{layer} without attention" if f"{layer} attention" in attends else layer
        elif len(branches) == 1:
            found[tensor] = branches[0]
        else:
            found[tensor] = DECODE if branches else f"{layer} {part or ''}".rstrip()
    return {tensor: name for tensor, name in found.items() if tensor in flowing}


def _layer(node: onnx.NodeProto) -> tuple[str, str | None]:
    """The layer an operator belongs to, and the part of it."""
    match = LAYER.match(node.name or node.output[0])
    assert match is not None  # anything but a slash is a name
    return match[1], match[2]


def _stride(shapes: dict[str, list[int]], graph: onnx.GraphProto, tensor: str) -> float | None:
    """Input px per cell of a map that is the picture's in another size."""
    shape, (_, _, height, width) = shapes.get(tensor, []), shapes[graph.input[0].name]
    if len(shape) != 4 or not shape[2] or height * shape[3] != width * shape[2]:
        return None
    return height / shape[2]
