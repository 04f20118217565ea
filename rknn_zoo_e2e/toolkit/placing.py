"""A channel concatenation as a sum of convolutions, for NPUs that leave an unaligned one to the CPU."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from rknn_zoo_e2e.toolkit.job import Ranges

BLOCK = 16  # channels the NPU keeps together


def place_channels(model: onnx.ModelProto, ranges: Ranges) -> Ranges:
    """Replaces every Concat on channels with an input that fills no whole block, all in place.

    Each input goes through a 1x1 convolution of zeros and ones to its own channels, and these are added up: the
    compiler fuses a sum with its convolution, so that no more is read than a concatenation reads.

    Args:
        ranges: of the graph's tensors; may be empty.

    Returns:
        The ranges with those of the new tensors added.
    """
    graph = onnx.shape_inference.infer_shapes(model).graph
    known = [*graph.value_info, *graph.input, *graph.output]
    channels = {v.name: dims[1].dim_value for v in known if len(dims := v.type.tensor_type.shape.dim) == 4}
    ranges, nodes = dict(ranges), []
    for node in model.graph.node:
        counts = [channels.get(name, 0) for name in node.input]
        on_channels = any(a.name == "axis" and a.i in (1, -3) for a in node.attribute)
        if node.op_type != "Concat" or not on_channels or not any(count % BLOCK for count in counts):
            nodes.append(node)
            continue
        nodes += _placed(model.graph, node, counts, ranges)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
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
