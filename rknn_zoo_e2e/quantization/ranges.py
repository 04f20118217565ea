"""Quantisation ranges, measured with ONNX Runtime.

The vendor's ``normal`` algorithm runs every picture through its own simulator, for the smallest and largest value of
each tensor over all pictures, with three rules of its own: a range includes 0, a MaxPool and the only Slice of a tensor
have their input's range, and what only a sigmoid reads is cut off where int8 sigmoids saturate. The same is had here in
a tenth of the time.

A single outlier then makes the step of a whole tensor coarse (in yolov8n the second convolution reaches 158 where its
channels' root mean square is 5), so tensors that are INT8 are clipped where their error is least
(:mod:`~rknn_zoo_e2e.quantization.clipping`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnx
from onnx import TensorProto, helper

from rknn_zoo_e2e.quantization.clipping import Sample
from rknn_zoo_e2e.toolkit.graph import readers_of
from rknn_zoo_e2e.toolkit.job import Ranges
from rknn_zoo_e2e.vision.arrays import Pixels

SATURATION = 7.0  # |x| beyond which the vendor takes a sigmoid for 0 or 1
COPIES = {"MaxPool", "Slice", "Split", "Resize", "Reshape"}  # their values are their input's: no rounding in between


def measure_ranges(
    path: Path,
    pictures: Iterable[Pixels],
    clipped: Mapping[str, float] = MappingProxyType({}),
) -> Ranges:
    """Range of every float tensor of a graph over pictures.

    Args:
        path: the patched graph.
        pictures: letterboxed, (H, W, 3) uint8 RGB.
        clipped: tensors to clip where 8 bits lose least, and the power of the error that counts; the copies of one
            follow it. Without any the ranges are those of the vendor's own calibration.
    """
    import onnxruntime

    model = onnx.shape_inference.infer_shapes(onnx.load(str(path)))
    inputs, rules = model.graph.input[0].name, _Rules(model.graph)
    samples = {name: Sample() for name in clipped}
    names = _observe(model, samples)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    low, high = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    for rgb in pictures:
        values = session.run(None, {inputs: rgb.transpose(2, 0, 1)[None].astype(np.float32) / 255})
        for sample, value in zip(samples.values(), values[2 * len(names) :], strict=True):
            sample.add(value)
        pairs = np.array(values[: 2 * len(names)], np.float64).reshape(len(names), 2)
        low, high = np.minimum(low, pairs[:, 0]), np.maximum(high, pairs[:, 1])
    found = {name: (min(float(a), 0.0), max(float(b), 0.0)) for name, a, b in zip(names, low, high, strict=True)}
    found[inputs] = (0.0, 1.0)
    for name, sample in samples.items():
        found[name] = sample.clip(*found[name], power=clipped[name])
    return {name: ([a], [b]) for name, (a, b) in rules.apply(found, bool(samples)).items()}


def quantised_tensors(path: Path) -> list[str]:
    """Float tensors of a graph that become INT8 tensors: not those within a SiLU, nor mere copies."""
    return quantised_in(onnx.load(str(path)))


def quantised_in(model: onnx.ModelProto) -> list[str]:
    """The same of a graph that is loaded."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    readers = readers_of(graph)
    floats = {v.name for v in graph.value_info if v.type.tensor_type.elem_type == TensorProto.FLOAT}
    return [
        name
        for node in graph.node
        for name in node.output
        if name in floats
        and node.op_type not in COPIES | {"Sigmoid"}
        and all(reader.op_type != "Sigmoid" for reader in readers.get(name, []))
    ]


def _observe(model: onnx.ModelProto, whole: Iterable[str]) -> list[str]:
    """Replaces the graph's outputs by the minimum and maximum of every float tensor, then the ``whole`` ones.

    Returns:
        Names of all float tensors in order.
    """
    graph = model.graph
    known = {v.name: v for v in (*graph.value_info, *graph.input, *graph.output)}
    floats = {name for name, v in known.items() if v.type.tensor_type.elem_type == TensorProto.FLOAT}
    names = [name for node in graph.node for name in node.output if name in floats]
    del graph.output[:]
    for index, name in enumerate(names):
        for operator in ("ReduceMin", "ReduceMax"):
            output = f"{operator}:{index}"
            graph.node.append(helper.make_node(operator, [name], [output], keepdims=0))
            graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, []))
    graph.output.extend(known[name] for name in whole)
    return names


class _Rules:
    """What is known about ranges from the graph's structure."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        copies = [node for node in graph.node if node.op_type in COPIES]
        self.copies = [(node.op_type, node.input[0], name) for node in copies for name in node.output]
        readers = readers_of(graph)
        self.saturating = [name for name, nodes in readers.items() if [n.op_type for n in nodes] == ["Sigmoid"]]

    def apply(self, found: dict[str, tuple[float, float]], all_copies: bool) -> dict[str, tuple[float, float]]:
        sliced = Counter(source for kind, source, _ in self.copies if kind == "Slice")
        for kind, source, copy in self.copies:  # in graph order, so that copies of copies follow
            vendors = kind == "MaxPool" or (kind == "Slice" and sliced[source] == 1)
            if (all_copies or vendors) and source in found and copy in found:
                found[copy] = found[source]
        for name in self.saturating:
            low, high = found[name]
            found[name] = max(low, -SATURATION), min(high, SATURATION)
        return found
