"""Walking an ONNX graph by what reads what."""

from __future__ import annotations

import onnx


def readers_of(graph: onnx.GraphProto) -> dict[str, list[onnx.NodeProto]]:
    """The operators that read each tensor."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    return readers


def makers_of(graph: onnx.GraphProto) -> dict[str, onnx.NodeProto]:
    """The operator that gives each tensor; inputs and weights have none."""
    return {name: node for node in graph.node for name in node.output}


def after(graph: onnx.GraphProto, first: str, last: str) -> set[str]:
    """Tensors computed from ``first``, not counting what is only by way of ``last``; neither of them among these."""
    readers, found, ahead = readers_of(graph), {first, last}, [first]
    while ahead:
        new = {name for node in readers.get(ahead.pop(), []) for name in node.output} - found
        found |= new
        ahead += new
    return found - {first, last}


def before(graph: onnx.GraphProto, last: str, firsts: set[str]) -> set[str]:
    """Tensors and weights ``last`` is computed from, itself included, down to those of ``firsts`` that are met.

    Those are included, too; what reaches ``last`` only by way of them is not.
    """
    makers, found, behind = makers_of(graph), {last}, [last]
    while behind:
        name = behind.pop()
        if name in firsts or name not in makers:
            continue
        new = {source for source in makers[name].input if source} - found
        found |= new
        behind += new
    return found


def between(graph: onnx.GraphProto, first: str, last: str) -> set[str]:
    """Tensors on the way from one to the other, without both. None where there is no way."""
    return after(graph, first, last) & before(graph, last, {first})
