"""A last look at what came out of a pickle: no class, function or method is left for anybody to call later.

A class or a function kept as a value would be called sooner or later, as a layer's ``act`` is; so would a method given
to an instance; and layers that share layers, level by level, would be walked for ever.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn

from rknn_zoo_e2e.checkpoint.origins import needs
from rknn_zoo_e2e.checkpoint.refusals import Absurd, RunsCode
from rknn_zoo_e2e.checkpoint.unpickler import title
from rknn_zoo_e2e.checkpoint.values import Foreign, HeadForward, Ignored, Method, head_class

DATA = (type(None), bool, int, float, str, bytes, torch.Tensor, torch.dtype, torch.device, Ignored)
MOST_VISITS = 100_000  # of layers, where some are parts of several; YOLO's largest models have under 2,000


def audit(content: Any, read: Any) -> None:
    """Looks through all of ``content``; of ``read``, the part that is used, everything must be known.

    Raises:
        Refused: there is something in it that may be called, or, in ``read``, something that is not known.
    """
    seen: set[int] = set()
    for part, known in ((read, True), (content, False)):
        todo = [part]
        while todo:
            one = todo.pop()
            if id(one) not in seen:
                seen.add(id(one))
                todo.extend(inside(one, known))
    if isinstance(read, nn.Module):
        visits(read, {})


def inside(one: Any, known: bool) -> Iterable[Any]:
    """What a value holds. Raises :class:`Refused` where it may not be there."""
    if isinstance(one, Foreign):
        if known:
            raise needs(one.name)
        return ()
    if type(one) in (dict, OrderedDict):
        return one.values()
    if type(one) in (list, tuple, set, frozenset, torch.Size):
        return one
    if isinstance(one, nn.Module):
        return layer_state(one)
    if isinstance(one, DATA):
        return ()
    raise RunsCode(f"{title(one)} kept as a value")


def layer_state(layer: nn.Module) -> Iterator[Any]:
    """What a layer holds, after a look at its names."""
    kind, state = type(layer), layer.__dict__
    fused = state.pop("forward", None)  # by fuse(), which makes the same of it again
    if fused is not None:
        if type(fused) is not Method or fused.owner is not layer or fused.name != "forward_fuse":
            raise RunsCode("a method given to a layer")
        state["forward"] = layer.forward_fuse
    if isinstance(layer, head_class()) and isinstance(state.get("detect"), HeadForward):
        del state["detect"]  # nobody has called it since Ultralytics 8.2.6
    for name, value in state.items():
        if name == "forward":
            continue
        if name != "type" and callable(getattr(kind, name, None)):  # parse_model notes a layer's type under that name
            raise RunsCode(f"a layer's own {name}")
        if "hook" in name and value:
            raise RunsCode(f"a layer's {name}")
        yield value
    for name, allowed in (("_modules", nn.Module), ("_parameters", torch.Tensor), ("_buffers", torch.Tensor)):
        if type(state[name]) not in (dict, OrderedDict):
            raise Absurd(f"a layer's {name} are no mapping")
        for value in state[name].values():
            if not isinstance(value, (allowed, type(None), Foreign)):  # of a class that is not known, see inside()
                raise RunsCode(f"something else among a layer's {name}")


def visits(layer: nn.Module, counted: dict[nn.Module, int]) -> int:
    """How often layers are visited where a model is walked, as torch does for ``train`` or ``float``."""
    if layer not in counted:
        counted[layer] = MOST_VISITS  # until it is known: no layer may be a part of itself
        parts = [part for part in layer.__dict__["_modules"].values() if part is not None]
        counted[layer] = 1 + sum(visits(part, counted) for part in parts)
        if counted[layer] >= MOST_VISITS:
            raise Absurd("one layer is a part of two, again and again")
    return counted[layer]
