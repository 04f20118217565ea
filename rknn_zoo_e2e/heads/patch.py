"""Making an Ultralytics model what is exported, for the length of a ``with`` block: leaner blocks and a decode tail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pkgutil import resolve_name

from torch import nn

from rknn_zoo_e2e.heads.csp import Increments, blocks
from rknn_zoo_e2e.heads.fusion import Additions, fusions
from rknn_zoo_e2e.heads.grid import Grid
from rknn_zoo_e2e.heads.qkv import attentions
from rknn_zoo_e2e.heads.softmax import SoftmaxAttention
from rknn_zoo_e2e.tasks.contract import find_contract
from rknn_zoo_e2e.tasks.spec import ModelSpec

ROUTING = ("i", "f", "type", "np")  # what parse_model tells a layer: index, inputs, type, parameters


@contextmanager
def blocks_patched(model: nn.Module) -> Iterator[nn.Module]:
    """The model with blocks rewritten for the NPU: ``C2f``, ``C3k2``, ``CBFuse`` and attention; then they are back."""
    others: dict[str, nn.Module] = {
        **{path: Increments(block) for path, block in blocks(model).items()},
        **{path: Additions(block) for path, block in fusions(model).items()},
        **{path: SoftmaxAttention(block) for path, block in attentions(model).items()},
    }
    with replaced(model, others):
        yield model


@contextmanager
def patched(model: nn.Module, spec: ModelSpec, layout: str, floats: bool = True) -> Iterator[nn.Module]:
    """The model with its head answering through its tail; the head itself is back when the ``with`` ends.

    Args:
        model: Ultralytics model, fused or not; ``model.model[-1]`` is its head, of a class that has a tail.
        spec: of it the input's size, and whose program reads the outputs.
        layout: "flat" or "grid"; a contract may have one of its own.
        floats: for an NPU that computes in fp16.
    """
    head = model.model[-1]
    make_tail = resolve_name(find_contract(spec.contract).tail)
    grid = Grid(spec.imgsz, tuple(int(s) for s in head.stride))
    with replaced(model, {f"model.{len(model.model) - 1}": make_tail(head, grid, layout, floats)}):
        yield model


@contextmanager
def replaced(model: nn.Module, others: Mapping[str, nn.Module]) -> Iterator[None]:
    """Other modules in the place of some, by path."""
    with ExitStack() as undo:
        for path, other in others.items():
            parent, _, name = path.rpartition(".")
            owner, module = model.get_submodule(parent), model.get_submodule(path)
            for attribute in ROUTING:
                if hasattr(module, attribute):
                    setattr(other, attribute, getattr(module, attribute))
            undo.callback(setattr, owner, name, module)
            setattr(owner, name, other.eval())
        yield
