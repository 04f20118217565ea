"""Where numbers leave INT8 and where they come back: said by the modules that compute them.

A :class:`Boundary` lets a tensor pass. In an exported graph it leaves an operator of its own, which :func:`take_marks`
takes out again, with the name the tensor has there. What is left is the graph as it is without boundaries.

A tail's branches hold their boundaries themselves. Ultralytics' own layers, which cannot, get theirs as hooks for the
length of :func:`layers_marked`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import onnx
import torch
from torch import Tensor, nn

LEAVES = "leaves"  # a region computed with more than eight bits, where the SoC can, begins at this tensor
RETURNS = "returns"  # it ends at this tensor; one that returns nowhere ends at the graph's first output
STEM = "stem"  # the last tensor of the first two convolutions
DOMAIN, OPERATOR = "e2erknn", "Boundary"

Marks = dict[str, list[tuple[str, str]]]  # role -> (region, tensor) in the graph's order


class _Mark(torch.autograd.Function):
    """The identity, and an operator of the exported graph that carries a role and a region."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, role: str, region: str) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def symbolic(g: Any, x: Any, role: str, region: str) -> Any:
        return g.op(f"{DOMAIN}::{OPERATOR}", x, role_s=role, region_s=region).setType(x.type())


class Boundary(nn.Module):
    """One end of a region: x to x.

    Of several in one region the first that is computed is where it leaves INT8, the last where it returns.

    Args:
        role: ``LEAVES``, ``RETURNS`` or ``STEM``.
        region: its name, one of its own for each branch and level, and for each block.
    """

    def __init__(self, role: str, region: str) -> None:
        super().__init__()
        self.role, self.region = role, region

    def forward(self, x: Tensor) -> Tensor:
        """Any tensor to itself; in an exported graph by an operator that carries role and region."""
        return _Mark.apply(x, self.role, self.region)


def boundaries(model: nn.Module) -> set[tuple[str, str]]:
    """Role and region of every boundary a model holds."""
    return {(module.role, module.region) for module in model.modules() if isinstance(module, Boundary)}


@contextmanager
def layers_marked(model: nn.Module) -> Iterator[set[tuple[str, str]]]:
    """The model with boundaries at its first two convolutions' end and around attention, which eight bits harm most.

    The region of a layer that attends is what it computes between its first and its last convolution, where these are
    its ``cv1`` and ``cv2``, as in all of Ultralytics'; else the whole layer. Ends within attention would have other
    names where that is rewritten, and no range.

    Args:
        model: Ultralytics model, its blocks and its head already replaced by what is exported.

    Yields:
        Role and region of each boundary.
    """
    *layers, _ = model.model
    with ExitStack() as undo:
        given = set()

        def after(module: nn.Module, role: str, region: str) -> None:
            hook = partial(_marked_output, Boundary(role, region))
            undo.callback(module.register_forward_hook(hook).remove)
            given.add((role, region))

        def before(module: nn.Module, role: str, region: str) -> None:
            hook = partial(_marked_input, Boundary(role, region))
            undo.callback(module.register_forward_pre_hook(hook).remove)
            given.add((role, region))

        for layer in [layer for layer in layers if convolves(layer)][1:2]:
            after(layer, STEM, STEM)
        for index, layer in enumerate(layers):
            if not attends(layer):
                continue
            first, last = getattr(layer, "cv1", None), getattr(layer, "cv2", None)
            if isinstance(first, nn.Module) and isinstance(last, nn.Module):
                after(first, LEAVES, f"attention.{index}")
                after(last, RETURNS, f"attention.{index}")
            else:
                before(layer, LEAVES, f"attention.{index}")
                after(layer, RETURNS, f"attention.{index}")
        yield given


def convolves(layer: nn.Module) -> bool:
    """Whether there is a convolution in the layer; between the first two may be a pooling (YOLOv3-tiny)."""
    return any(isinstance(module, nn.Conv2d) for module in layer.modules())


def attends(layer: nn.Module) -> bool:
    """Whether something in the layer holds an ``attn``, as Ultralytics' blocks call theirs, whatever its class."""
    return any(isinstance(getattr(module, "attn", None), nn.Module) for module in layer.modules())


def _marked_output(boundary: Boundary, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
    return boundary(output) if isinstance(output, Tensor) else output


def _marked_input(boundary: Boundary, module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(boundary(x) if place == 0 and isinstance(x, Tensor) else x for place, x in enumerate(inputs))


def take_marks(model: onnx.ModelProto) -> Marks:
    """Takes the boundaries' operators out of a graph, in place, and says which tensors they marked."""
    graph = model.graph
    marks: Marks = {LEAVES: [], RETURNS: [], STEM: []}
    passed: dict[str, str] = {}  # a boundary's output -> the tensor it let pass
    kept = []
    for node in graph.node:  # in the order they are computed
        node.input[:] = [passed.get(name, name) for name in node.input]
        if node.domain != DOMAIN:
            kept.append(node)
            continue
        said = {attribute.name: attribute.s.decode() for attribute in node.attribute}
        passed[node.output[0]] = node.input[0]
        marks[said["role"]].append((said["region"], node.input[0]))
    # What a boundary let pass to an output of the graph has that output's name from now on.
    ends = {passed[output.name]: output.name for output in graph.output if output.name in passed}
    for node in kept:
        node.input[:] = [ends.get(name, name) for name in node.input]
        node.output[:] = [ends.get(name, name) for name in node.output]
    marks = {role: [(region, ends.get(name, name)) for region, name in pairs] for role, pairs in marks.items()}
    del graph.node[:]
    graph.node.extend(kept)
    values = [value for value in graph.value_info if value.name not in passed and value.name not in ends]
    del graph.value_info[:]
    graph.value_info.extend(values)
    imports = [used for used in model.opset_import if used.domain != DOMAIN]
    del model.opset_import[:]
    model.opset_import.extend(imports)
    return marks
