"""Maps too large for an NPU to reshape, in bands of rows: each is computed and reshaped alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

import numpy as np
import onnx
from onnx import helper, numpy_helper

from rknn_zoo_e2e.toolkit.job import Ranges

POINTWISE = {"Sigmoid"}  # what may stand between the convolution and the Reshape
Regions = tuple[tuple[str, str], ...]


def bands(height: int, width: int, row: int, most: int) -> list[tuple[int, int]]:
    """[first row, one past the last] of equal or nearly equal parts of a map, each whole rows of the new width.

    Args:
        height: of the map, rows; ``width`` its cells a row.
        row: cells a row once it is reshaped; divides ``height * width``.
        most: cells a part may have.

    Returns:
        No parts where even the smallest is too large.
    """
    unit = row // math.gcd(row, width)
    units, fitting = height // unit, most // (unit * width)
    if not fitting:
        return []
    count = -(-units // fitting)
    ends = [unit * (units * i // count) for i in range(count + 1)]
    return list(zip(ends, ends[1:], strict=False))


def cut_maps(model: onnx.ModelProto, ranges: Ranges, regions: Regions, most: int) -> tuple[Ranges, Regions]:
    """Cuts every map of more than ``most`` cells that a 1x1 convolution makes and a Reshape brings to another width.

    What is cut is the convolution's input, where it is still INT8. The bands meet in the Concat that joins the levels,
    which must be the Reshape's only reader.

    Args:
        ranges: of the graph's tensors; may be empty.
        regions: [first tensor, last tensor] that leave INT8.

    Returns:
        The ranges with those of the new tensors added, and the regions, which begin at the bands where their first
        tensor is cut.
    """
    graph = model.graph
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in inferred.value_info}
    ranges, cut = dict(ranges), {}
    for reshape, chain, joined in list(_reshapes(graph)):
        (_, channels, height, width), row = shapes[reshape.input[0]], shapes[reshape.output[0]][-1]
        parts = bands(height, width, row, most)
        if row == width or height * width <= most or not parts:
            continue
        source, added, ends = chain[0].input[0], [], []
        if source not in cut:
            cut[source] = [f"{source}/rows.{first}" for first, _ in parts]
            added += [_slice(graph, source, name, *part) for name, part in zip(cut[source], parts, strict=True)]
        for name, (first, last) in zip(cut[source], parts, strict=True):
            shape = f"{reshape.name}/rows.{first}.shape"
            graph.initializer.append(
                numpy_helper.from_array(np.array([1, channels, (last - first) * width // row, row]), shape)
            )
            for node in (*chain, reshape):
                new = onnx.NodeProto()
                new.CopyFrom(node)
                new.name, new.input[0], new.output[0] = f"{node.name}/rows.{first}", name, f"{node.output[0]}/rows.{first}"
                if node is reshape:
                    new.input[1] = shape
                added.append(new)
                name = new.output[0]
                if node.output[0] in ranges:
                    ranges[name] = ranges[node.output[0]]
            ends.append(name)
        ranges |= {name: ranges[source] for name in cut[source] if source in ranges}
        _replace(graph, [*chain, reshape], added)
        joined.input[:] = [e for name in joined.input for e in (ends if name == reshape.output[0] else [name])]
    starts = {start: cut.get(start, [start]) for start, _ in regions}
    return ranges, tuple((name, end) for start, end in regions for name in starts[start])


def _reshapes(graph: onnx.GraphProto) -> Iterator[tuple[onnx.NodeProto, list[onnx.NodeProto], onnx.NodeProto]]:
    """Each Reshape that only a Concat of rows reads, the nodes that make its map (a convolution first), the Concat."""
    makers = {name: node for node in graph.node for name in node.output}
    readers = Counter(name for node in graph.node for name in node.input)
    concats = {
        name: node
        for node in graph.node
        if node.op_type == "Concat" and any(a.name == "axis" and a.i == 2 for a in node.attribute)
        for name in node.input
    }
    for reshape in graph.node:
        if reshape.op_type != "Reshape" or reshape.output[0] not in concats or readers[reshape.output[0]] != 1:
            continue
        chain, name = [], reshape.input[0]
        while (node := makers.get(name)) is not None and readers[name] == 1:
            chain.insert(0, node)
            if node.op_type not in POINTWISE:
                break
            name = node.input[0]
        if chain and chain[0].op_type == "Conv" and _is_pointwise(chain[0]):
            yield reshape, chain, concats[reshape.output[0]]


def _is_pointwise(conv: onnx.NodeProto) -> bool:
    """Whether the convolution sees one cell at a time."""
    values = {a.name: list(a.ints) for a in conv.attribute}
    return set(values.get("kernel_shape", [0])) == {1} == set(values.get("strides", [1])) and not any(
        values.get("pads", [])
    )


def _slice(graph: onnx.GraphProto, source: str, name: str, first: int, last: int) -> onnx.NodeProto:
    """The node that takes rows ``first`` to ``last`` of a tensor (1, C, H, W)."""
    limits = []
    for what, value in (("first", first), ("last", last), ("axis", 2)):
        limits.append(f"{name}.{what}")
        graph.initializer.append(numpy_helper.from_array(np.array([value]), limits[-1]))
    return helper.make_node("Slice", [source, *limits], [name], f"{name}/Slice")


def _replace(graph: onnx.GraphProto, nodes: list[onnx.NodeProto], others: list[onnx.NodeProto]) -> None:
    """Puts nodes in the place of others."""
    index = list(graph.node).index(nodes[-1])
    for node in others[::-1]:
        graph.node.insert(index, node)
    for node in nodes:
        graph.node.remove(node)
