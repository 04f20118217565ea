"""What it costs to compute a block in more bits, predicted from the compiler's tables of two builds.

One build has everything in INT8, the other nothing. A block's operators differ between them by what it costs; where it
meets blocks of the other type, the NPU converts what passes, which takes traffic and no cycles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from rknn_zoo_e2e.analysis.blocks import Block
from rknn_zoo_e2e.boards.soc import Soc
from rknn_zoo_e2e.quantization.emulation import Precision
from rknn_zoo_e2e.toolkit.buildlog import layers, placement
from rknn_zoo_e2e.toolkit.client import Toolkit
from rknn_zoo_e2e.toolkit.graph import makers_of, readers_of
from rknn_zoo_e2e.toolkit.job import BuildJob, Ranges

CONVERSION = "exDataConvert"  # the compiler's operator between types
WIDE_BYTES = 2  # of an fp16 or int16 value


@dataclass(frozen=True)
class Cost:
    """NPU cycles, and KB of 1024 bytes that operators read and write."""

    cycles: float
    traffic_kb: float

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.cycles - other.cycles, self.traffic_kb - other.traffic_kb)

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.cycles + other.cycles, self.traffic_kb + other.traffic_kb)

    def report(self) -> dict[str, int]:
        """As a bundle keeps it."""
        return {"cycles": round(self.cycles), "traffic_kb": round(self.traffic_kb)}


@dataclass(frozen=True)
class Compiler:
    """Builds of one graph that are looked at and thrown away.

    Attributes:
        pictures: letterboxed files, two or more: the toolkit calibrates tensors of its own making with them.
        ranges: of the graph's tensors.
    """

    toolkit: Toolkit
    graph: Path
    soc: Soc
    pictures: tuple[Path, ...]
    ranges: Ranges

    def log(self, regions: Sequence[tuple[str, str]], precision: str = "int8") -> str:
        """The vendor's log of a build with these regions out of INT8. Raises :class:`UserError` where it fails."""
        before = len(self.toolkit.log)
        hybrid = tuple(dict.fromkeys(regions))
        job = BuildJob(self.graph, self.soc.name, precision, hybrid, self.pictures, self.ranges)
        self.toolkit.build(job)
        return self.toolkit.log[before:]

    def whole(self, regions: Sequence[tuple[str, str]]) -> Cost:
        """What such a build costs."""
        found = placement(self.log(regions))
        return Cost(found["cycles"], found["traffic_kb"])


class Tables:
    """What the blocks of a graph cost in INT8 and in more bits.

    Args:
        model: the graph.
        compiler: makes the two builds.
    """

    def __init__(self, model: onnx.ModelProto, blocks: Sequence[Block], compiler: Compiler) -> None:
        self.model = onnx.shape_inference.infer_shapes(model)
        graph = self.model.graph
        self.readers, self.makers = readers_of(graph), makers_of(graph)
        values = (*graph.value_info, *graph.output)
        self.sizes = {v.name: math.prod(d.dim_value for d in v.type.tensor_type.shape.dim) for v in values}
        owners = {name: block.name for block in blocks for name in block.tensors}
        named = {key: owners[t] for t in owners for key in (t, self.makers[t].name) if key}
        self.int8 = by_block(compiler.log(()), named)
        if compiler.soc.fp16:
            self.wide = by_block(compiler.log((), "fp16"), named)
        else:
            everything = [(graph.input[0].name, output.name) for output in graph.output]
            self.wide = by_block(compiler.log(everything), named)

    def cost(self, block: Block, int8: Precision, wide: Precision) -> Cost:
        """What a block costs out of INT8 more than in it.

        Args:
            int8: of a build with the block in INT8.
            wide: of one that is the same but for the block.
        """
        nothing = Cost(0, 0)
        own = self.wide.get(block.name, nothing) - self.int8.get(block.name, nothing)
        return own + self.conversions(wide, block) - self.conversions(int8, block)

    def conversions(self, precision: Precision, block: Block) -> Cost:
        """What converting the tensors takes that a block reads and gives; each is converted once, and read for it."""
        found = 0.0
        for name in (*block.inputs, *block.outputs):
            if name not in self.makers:
                continue  # the picture is brought to either type by the driver
            if precision.converts(name, self.readers.get(name, ())):
                found += self.sizes.get(name, 0) * (WIDE_BYTES if name in precision.wide else 1)
        return Cost(0, found / 1024)


def by_block(log: str, owners: dict[str, str]) -> dict[str, Cost]:
    """The compiler's table, summed by block.

    Args:
        owners: names of operators and tensors -> the block they belong to. The compiler adds something to those of
            operators it merges or makes.
    """
    found: dict[str, Cost] = {}
    for layer in layers(log):
        name = layer.name.partition(":")[2]
        while name and name not in owners:
            name = name[:-1]
        if name and layer.op != CONVERSION:
            found[owners[name]] = found.get(owners[name], Cost(0, 0)) + Cost(layer.cycles, layer.kb)
    return found
