"""A channel concatenation as a sum of convolutions, for NPUs that leave an unaligned one to the CPU."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from rknn_zoo_e2e.boards.soc import BLOCK
from rknn_zoo_e2e.toolkit.job import Ranges


def place_channels(model: onnx.ModelProto, ranges: Ranges) -> Ranges:
    """Replaces the Concat that makes the first output, if one of its inputs fills no whole block, in place.

    Each input goes through a 1x1 convolution of zeros and ones to its own channels, and these are added up: the
    compiler fuses a sum with its convolution, so that no more is read than a concatenation reads.

    Args:
        ranges: of the graph's tensors; may be empty.

    Returns:
        The ranges with those of the new tensors added.
    """
    makers = {name: node for node in model.graph.node for name in node.output}
    concat = makers[model.graph.output[0].name]
    while concat.op_type == "Reshape":
        concat = makers[concat.input[0]]
    if concat.op_type != "Concat" or not any(a.name == "axis" and a.i == 1 for a in concat.attribute):
        return ranges
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    known = {v.name: v.type.tensor_type.shape.dim for v in (*graph.value_info, *graph.input)}
    counts = [known[name][1].dim_value for name in concat.input]
    if not any(count % BLOCK for count in counts):
        return ranges
    ranges = dict(ranges)
    index = list(model.graph.node).index(concat)
    nodes = _placed(model.graph, concat, counts, ranges)
    model.graph.node.remove(concat)
    for offset, node in enumerate(nodes):
        model.graph.node.insert(index + offset, node)
    return ranges


def _placed(graph: onnx.GraphProto, concat: onnx.NodeProto, counts: list[int], ranges: Ranges) -> list[onnx.NodeProto]:
    """The nodes in place of one Concat; adds their weights to ``graph`` and their ranges to ``ranges``."""
    total, output = np.eye(sum(counts), dtype=np.float32), concat.output[0]
    nodes, summed, start = [], "", 0
    for index, (name, count) in enumerate(zip(concat.input, counts, strict=True)):
        weight, placed = f"{concat.name}/placed.{index}.weight", f"{concat.name}/placed.{index}_output_0"
        rows = total[:, start : start + count, None, None]
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(rows), weight))
        nodes.append(helper.make_node("Conv", [name, weight], [placed], f"{concat.name}/placed.{index}/Conv"))
        start += count
        if name in ranges:
            ranges[placed] = ranges[name]
        if index == 0:
            summed = placed
            continue
        both = output if index == len(counts) - 1 else f"{concat.name}/sum.{index}_output_0"
        nodes.append(helper.make_node("Add", [placed, summed], [both], f"{concat.name}/sum.{index}"))
        if summed in ranges and placed in ranges and both not in ranges:
            pairs = (ranges[summed], ranges[placed])
            ranges[both] = [min(low[0] for low, _ in pairs)], [max(high[0] for _, high in pairs)]
        summed = both
    return nodes
