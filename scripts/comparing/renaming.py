"""Graphs and documents of two commits that call tensors differently: the same but for names?"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import onnx

from comparing.equality import VOLATILE, Verdict, compare_documents, verdict

# What follows from other names of tensors: checksums of files that hold names, and the size of a .rknn.
FROM_NAMES = frozenset({"onnx_sha256", "graph_sha256", "calibration_sha256", "bytes"})
CONTENT_HASH = re.compile(r"-[0-9a-f]{8}(?=\.(json|onnx)$)")  # in the names of files that are called by their content


class Renaming:
    """What the names of one graph's tensors and nodes are in another, by position.

    Attributes:
        names: old name -> new name of tensors and nodes.
        differences: in what the graphs differ beside names.
    """

    def __init__(self, old: onnx.ModelProto, new: onnx.ModelProto) -> None:
        self.names: dict[str, str] = {}
        self.differences: list[str] = []
        self._back: dict[str, str] = {}
        self._same("the opset", *([(o.domain, o.version) for o in model.opset_import] for model in (old, new)))
        for kind in ("input", "output"):  # these names are what runtimes and users know
            self._same(f"an {kind}", *([v.SerializeToString() for v in getattr(m.graph, kind)] for m in (old, new)))
        for kind in ("node", "initializer"):
            self._same(f"the number of {kind}s", *(len(getattr(model.graph, kind)) for model in (old, new)))
        for value in (*old.graph.input, *old.graph.output):
            self._pair(value.name, value.name)
        for one, two in zip(old.graph.node, new.graph.node, strict=False):
            self._node(one, two)
        self._weights(*({tensor.name: tensor for tensor in model.graph.initializer} for model in (old, new)))
        types = [{v.name: v.type.SerializeToString() for v in model.graph.value_info} for model in (old, new)]
        self._same("the type of a tensor", {self.of(name): its for name, its in types[0].items()}, types[1])

    @property
    def verdict(self) -> Verdict:
        """Whether the graphs differ in names alone."""
        changed = sum(old != new for old, new in self.names.items())
        return verdict(self.differences) if self.differences else Verdict(True, f"equal, {changed} names changed")

    def of(self, name: str) -> str:
        """The new name of what the toolkit calls a tensor or node: "Operator:" may stand before it.

        What the toolkit derived from a tensor is called like it, with something behind.
        """
        for start in (0, name.rfind(":") + 1):
            if stem := self._stem(name[start:]):
                return name[:start] + self.names[stem] + name[start + len(stem) :]
        return name

    def apply(self, document: Any) -> Any:
        """A document of the old commit with the new names."""
        return map_strings(document, self.of)

    def _stem(self, name: str) -> str:
        if name in self.names or not name.startswith("/"):
            return name if name in self.names else ""
        return max((known for known in self.names if known and name.startswith(known)), key=len, default="")

    def _node(self, old: onnx.NodeProto, new: onnx.NodeProto) -> None:
        self._same(f"node {old.name}", *((n.op_type, n.domain, len(n.input), len(n.output)) for n in (old, new)))
        self._same(f"an attribute of {old.name}", *map(attributes, (old, new)))
        for one, two in zip((*old.input, *old.output), (*new.input, *new.output), strict=False):
            self._pair(one, two)
        self._pair(old.name, new.name)

    def _pair(self, old: str, new: str) -> None:
        if self.names.setdefault(old, new) != new or self._back.setdefault(new, old) != old:
            self.differences.append(f"the structure: {old} is {self.names[old]} and {new}")

    def _weights(self, old: dict[str, onnx.TensorProto], new: dict[str, onnx.TensorProto]) -> None:
        for name, tensor in old.items():
            other = new.get(self.names.get(name, name))
            if other is None or unnamed(tensor) != unnamed(other):
                self.differences.append(f"weight {name}")

    def _same(self, what: str, old: Any, new: Any) -> None:
        if old != new:
            shown = f": {old} -> {new}" if isinstance(old, (int, str, tuple)) else ""
            self.differences.append(what + shown)


def attributes(node: onnx.NodeProto) -> dict[str, bytes]:
    """The attributes of a node without the names of the tensors in them."""
    return {a.name: unnamed(a.t) if a.HasField("t") else a.SerializeToString() for a in node.attribute}


def unnamed(tensor: onnx.TensorProto) -> bytes:
    """All of a tensor but its name."""
    copy = onnx.TensorProto()
    copy.CopyFrom(tensor)
    copy.ClearField("name")
    content: bytes = copy.SerializeToString()
    return content


def map_strings(document: Any, change: Callable[[str], str]) -> Any:
    """A document with every string changed, keys too."""
    if isinstance(document, dict):
        return {map_strings(key, change): map_strings(value, change) for key, value in document.items()}
    if isinstance(document, list):
        return [map_strings(value, change) for value in document]
    return change(document) if isinstance(document, str) else document


def compare_renamed(old: Any, new: Any, renaming: Renaming | None) -> Verdict:
    """Two documents, the old one with the new names where there are any; checksums of what holds names do not count."""
    if renaming is None:
        return compare_documents(old, new)
    one, two = (map_strings(each, lambda text: CONTENT_HASH.sub("", text)) for each in (renaming.apply(old), new))
    return compare_documents(one, two, VOLATILE | FROM_NAMES)
