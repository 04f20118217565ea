"""Quantisation ranges measured with ONNX Runtime: what the vendor's ``normal`` algorithm finds, in a tenth of its time.

The vendor runs every picture through its own simulator. Its result, though, is the smallest and largest value of each
tensor over all pictures, with three rules of its own, kept here: a range includes 0, a MaxPool has its input's range,
and what only a sigmoid reads is cut off where int8 sigmoids saturate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from rknn_zoo_e2e.toolkit.job import Ranges

SATURATION = 7.0  # |x| beyond which the vendor takes a sigmoid for 0 or 1


def measure_ranges(
    path: Path, pictures: Iterable[np.ndarray], on_picture: Callable[[int], None] = lambda done: None
) -> Ranges:
    """Range of every float tensor of a graph over pictures.

    Args:
        path: the patched graph.
        pictures: letterboxed, (H, W, 3) uint8 RGB.
        on_picture: told how many are done.
    """
    import onnxruntime

    model = onnx.shape_inference.infer_shapes(onnx.load(str(path)))
    inputs, rules = model.graph.input[0].name, _Rules(model.graph)
    names = _observe(model)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    low, high = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    for index, rgb in enumerate(pictures):
        values = session.run(None, {inputs: rgb.transpose(2, 0, 1)[None].astype(np.float32) / 255})
        pairs = np.array(values, np.float64).reshape(len(names), 2)
        low, high = np.minimum(low, pairs[:, 0]), np.maximum(high, pairs[:, 1])
        on_picture(index + 1)
    found = {name: (min(float(a), 0.0), max(float(b), 0.0)) for name, a, b in zip(names, low, high, strict=True)}
    found[inputs] = (0.0, 1.0)
    return {name: ([a], [b]) for name, (a, b) in rules.apply(found).items()}


def _observe(model: onnx.ModelProto) -> list[str]:
    """Replaces the graph's outputs by the minimum and maximum of every float tensor; the tensors' names in order."""
    graph = model.graph
    known = [*graph.value_info, *graph.input, *graph.output]
    floats = {v.name for v in known if v.type.tensor_type.elem_type == TensorProto.FLOAT}
    names = [name for node in graph.node for name in node.output if name in floats]
    del graph.output[:]
    for index, name in enumerate(names):
        for operator in ("ReduceMin", "ReduceMax"):
            output = f"{operator}:{index}"
            graph.node.append(helper.make_node(operator, [name], [output], keepdims=0))
            graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, []))
    return names


class _Rules:
    """The vendor's own rules about ranges, from the graph's structure."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.pools = [(node.input[0], node.output[0]) for node in graph.node if node.op_type == "MaxPool"]
        readers: dict[str, list[str]] = {}
        for node in graph.node:
            for name in node.input:
                readers.setdefault(name, []).append(node.op_type)
        self.saturating = [name for name, kinds in readers.items() if kinds == ["Sigmoid"]]

    def apply(self, found: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        for source, pooled in self.pools:  # in graph order, so that pools after pools follow
            found[pooled] = found[source]
        for name in self.saturating:
            low, high = found[name]
            found[name] = max(low, -SATURATION), min(high, SATURATION)
        return found
