"""Maps too large for an NPU to reshape, in bands of rows: each is computed and reshaped alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import onnx
from onnx import helper, numpy_helper

from rknn_zoo_e2e.toolkit.job import Ranges

POINTWISE = {"Sigmoid"}  # what may stand between the convolution and the Reshape
Regions = tuple[tuple[str, str], ...]


def bands(height: int, width: int, row: int, most: int) -> list[tuple[int, int]]:
    """Nearly equal bands of a map of ``height`` rows, each whole rows of the width it is to have.

    Args:
        width: cells a row.
        row: cells a row once reshaped; divides ``height * width``.
        most: cells a band may have.

    Returns:
        [first row, one past the last] of each; none where even the smallest would be too large.
    """
    unit = row // math.gcd(row, width)
    units, fitting = height // unit, most // (unit * width)
    count = -(-units // fitting) if fitting else 0
    return list(pairwise(unit * (units * i // count) for i in range(count + 1))) if count else []


def cut_maps(model: onnx.ModelProto, ranges: Ranges, regions: Regions, most: int) -> tuple[Ranges, Regions]:
    """Cuts maps of more than ``most`` cells that are reshaped to another width to join other levels, in place.

    The maps are those of a 1x1 convolution. Its input is cut, where that is still INT8, and each band has a convolution
    and a Reshape of its own; the Concat of the levels joins the bands too.

    Args:
        ranges: of the graph's tensors; may be empty.
        regions: [first tensor, last tensor] that leave INT8.

    Returns:
        The ranges with those of the new tensors added, and the regions: those that began at what is cut begin at its
        bands.
    """
    graph = model.graph
    known = onnx.shape_inference.infer_shapes(model, data_prop=True).graph.value_info
    shapes = {value.name: [d.dim_value for d in value.type.tensor_type.shape.dim] for value in known}
    parts: dict[str, list[str]] = {}
    copies: list[tuple[str, str]] = []  # a tensor and one of its bands
    for concat, chain in list(_reshaped(graph)):
        source, reshape = chain[0].input[0], chain[-1]
        (_, _, height, width), (_, _, _, row) = (shapes[name] for name in (reshape.input[0], reshape.output[0]))
        rows = bands(height, width, row, most) if row != width and height * width > most else []
        if not rows:
            continue
        if source not in parts:
            slices = [_slice(graph, source, *band) for band in rows]
            parts[source] = [node.output[0] for node in slices]
            copies += [(source, name) for name in parts[source]]
            _insert(graph, slices, next(node for node in graph.node if source in node.input))
        ends = []
        for (first, _), name in zip(rows, parts[source], strict=True):
            for node in chain:
                band = _copy(node, name, f"/rows.{first}")
                if node is reshape:
                    band.input[1] = _constant(graph, f"{band.name}.shape", [1, shapes[node.input[0]][1], -1, row])
                _insert(graph, [band], reshape)
                name = band.output[0]
                copies.append((node.output[0], name))
            ends.append(name)
        for node in chain:
            graph.node.remove(node)
        concat.input[:] = [end for name in concat.input for end in (ends if name == reshape.output[0] else [name])]
    ranges = ranges | {band: ranges[whole] for whole, band in copies if whole in ranges}
    cut = {name for names in parts.values() for name in names}
    whole = {name for node in graph.node if node.output[0] not in cut for name in node.input}  # still read as it was
    starts = {name: [*names, *({name} & whole)] for name, names in parts.items()}
    return ranges, tuple((first, last) for start, last in regions for first in starts.get(start, [start]))


def _reshaped(graph: onnx.GraphProto) -> Iterator[tuple[onnx.NodeProto, list[onnx.NodeProto]]]:
    """Each Concat of rows with the nodes of one of its inputs that nobody else reads: 1x1 convolution to Reshape."""
    makers = {name: node for node in graph.node for name in node.output}
    readers = Counter(name for node in graph.node for name in node.input)
    for concat in graph.node:
        if concat.op_type != "Concat" or not any(a.name == "axis" and a.i == 2 for a in concat.attribute):
            continue
        for name in concat.input:
            chain: list[onnx.NodeProto] = []
            while name in makers and readers[name] == 1 and makers[name].op_type in {"Reshape", *POINTWISE}:
                chain.insert(0, makers[name])
                name = chain[0].input[0]
            kinds = [node.op_type for node in chain]
            made_alone = name in makers and readers[name] == 1 and _is_pointwise(makers[name])
            if made_alone and kinds[-1:] == ["Reshape"] and kinds.count("Reshape") == 1:
                yield concat, [makers[name], *chain]


def _is_pointwise(node: onnx.NodeProto) -> bool:
    """Whether the node is a convolution that sees one cell at a time, and every one."""
    values = {attribute.name: set(attribute.ints) for attribute in node.attribute}
    kernel, strides, pads = values.get("kernel_shape"), values.get("strides", {1}), values.get("pads", {0})
    return node.op_type == "Conv" and (kernel, strides, pads) == ({1}, {1}, {0})


def _constant(graph: onnx.GraphProto, name: str, values: Sequence[int]) -> str:
    """Adds a tensor of int64; its name."""
    graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), name))
    return name


def _slice(graph: onnx.GraphProto, source: str, first: int, last: int) -> onnx.NodeProto:
    """A node that takes rows ``first`` to ``last`` of a tensor (1, C, H, W)."""
    name = f"{source}/rows.{first}"
    limits = [
        _constant(graph, f"{name}.{key}", [value]) for key, value in (("first", first), ("last", last), ("axis", 2))
    ]
    return helper.make_node("Slice", [source, *limits], [name], f"{name}/Slice")


def _insert(graph: onnx.GraphProto, nodes: list[onnx.NodeProto], before: onnx.NodeProto) -> None:
    index = list(graph.node).index(before)
    for node in reversed(nodes):
        graph.node.insert(index, node)


def _copy(node: onnx.NodeProto, source: str, suffix: str) -> onnx.NodeProto:
    """The node once more, reading ``source``."""
    new = onnx.NodeProto()
    new.CopyFrom(node)
    new.name, new.input[0], new.output[0] = node.name + suffix, source, node.output[0] + suffix
    return new
