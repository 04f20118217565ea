"""The last check of what came out of a pickle: it holds no class, function or method that could be called later.

A class or a function kept as a value would be called sooner or later, as a layer's ``act`` is; so would a method given
to an instance; and layers that share layers, level by level, would be walked for ever.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn

from rknn_zoo_e2e.checkpoint.origins import NeedsClass
from rknn_zoo_e2e.checkpoint.refusals import Absurd, RunsCode
from rknn_zoo_e2e.checkpoint.stand_ins import Foreign, HeadForward, Ignored, Method, head_class, title

DATA = (type(None), bool, int, float, str, bytes, torch.Tensor, torch.dtype, torch.device, Ignored)
MAX_VISITS = 100_000  # of layers in one walk, a shared one counted each time; YOLO's largest models have under 2,000


def audit(content: Any, read: Any) -> None:
    """Looks through all of ``content``; in ``read``, the part of it that is used, every class must be known.

    Raises:
        Refused: there is something in it that may be called, or, in ``read``, something that is not known.
    """
    seen: set[int] = set()
    for part, known in ((read, True), (content, False)):
        todo = [part]
        while todo:
            value = todo.pop()
            if id(value) not in seen:
                seen.add(id(value))
                todo.extend(parts_of(value, known))
    if isinstance(read, nn.Module):
        count_visits(read, {})


def parts_of(value: Any, known: bool) -> Iterable[Any]:
    """The values a value holds, to look at next. Raises :class:`Refused` where it may not be there."""
    if isinstance(value, Foreign):
        if known:
            raise NeedsClass(value.name)
        return ()
    if type(value) in (dict, OrderedDict):
        values: Iterable[Any] = value.values()
        return values
    if type(value) in (list, tuple, set, frozenset, torch.Size):
        items: Iterable[Any] = value
        return items
    if isinstance(value, nn.Module):
        return layer_state(value)
    if isinstance(value, DATA):
        return ()
    raise RunsCode(f"{title(value)} kept as a value")


def layer_state(layer: nn.Module) -> Iterator[Any]:
    """The values a layer holds, after its attributes' names were checked: none may replace a method."""
    kind, state = type(layer), layer.__dict__
    fused = state.pop("forward", None)  # set by fuse(); the same method is set again below
    if fused is not None:
        if type(fused) is not Method or fused.owner is not layer or fused.name != "forward_fuse":
            raise RunsCode("a method given to a layer")
        state["forward"] = layer.forward_fuse
    if isinstance(layer, head_class()) and isinstance(state.get("detect"), HeadForward):
        del state["detect"]  # not called since Ultralytics 8.2.6
    for name, value in state.items():
        if name == "forward":
            continue
        if name != "type" and callable(getattr(kind, name, None)):  # "type" is where parse_model notes a layer's type
            raise RunsCode(f"a layer's own {name}")
        if "hook" in name and value:
            raise RunsCode(f"a layer's {name}")
        yield value
    for name, allowed in (("_modules", nn.Module), ("_parameters", torch.Tensor), ("_buffers", torch.Tensor)):
        if type(state[name]) not in (dict, OrderedDict):
            raise Absurd(f"a layer's {name} are no mapping")
        for value in state[name].values():
            if not isinstance(value, (allowed, type(None), Foreign)):  # Foreign: see parts_of()
                raise RunsCode(f"something else among a layer's {name}")


def count_visits(layer: nn.Module, counted: dict[nn.Module, int]) -> int:
    """How often layers are visited when a model is walked, as torch does in ``train`` and ``float``.

    Args:
        counted: the visits below each layer that was counted before.

    Raises:
        Absurd: more than :data:`MAX_VISITS`.
    """
    if layer not in counted:
        counted[layer] = MAX_VISITS  # until it is counted, so that a layer that is a part of itself is refused
        parts = [part for part in layer.__dict__["_modules"].values() if part is not None]
        counted[layer] = 1 + sum(count_visits(part, counted) for part in parts)
        if counted[layer] >= MAX_VISITS:
            raise Absurd("one layer is a part of two, again and again")
    return counted[layer]
