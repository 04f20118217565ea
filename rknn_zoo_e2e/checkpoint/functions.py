"""The functions a checkpoint's pickle may name, done here on plain data: tensors, keys, numbers and texts."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import nn

from rknn_zoo_e2e.checkpoint.refusals import Absurd, RunsCode
from rknn_zoo_e2e.checkpoint.stand_ins import Dtype, Foreign, HeadForward, Ignored, Method, head_class

PLAIN = (str, int, float, bool, bytes, type(None))
MAX_TUPLE_KEY = 9  # parts of a tuple that is a key


def method(owner: Any, name: str) -> Any:
    """In place of ``getattr``: methods are named, none is looked up. Raises :class:`RunsCode` for one of a class."""
    if not isinstance(name, str):
        raise Absurd("a name is no text")
    if isinstance(owner, nn.Module):
        return Method(owner, name)
    if isinstance(owner, Foreign):
        return Foreign(f"{owner.name}.{name}")
    if isinstance(owner, type) and issubclass(owner, nn.Module):
        if issubclass(owner, head_class()) and name == "forward":
            return HeadForward()
        raise RunsCode(f"{owner.__name__}.{name}")
    return Foreign(f"getattr.{name}")


def parameter(data: torch.Tensor, *_: Any) -> nn.Parameter:
    """In place of ``torch._utils._rebuild_parameter``."""
    return nn.Parameter(real_tensor(data), requires_grad=False)


def real_tensor(data: Any) -> torch.Tensor:
    """The tensor itself. Raises :class:`Absurd` for anything else: a layer may have been given a tensor's methods."""
    if type(data) is not torch.Tensor:
        raise Absurd("something takes a tensor's place")
    return data


def checked_keys(keys: Iterable[Any]) -> list[Any]:
    """Keys of the types checkpoints have. Raises :class:`Absurd` for others: nested tuples may take ages to hash."""
    plain = list(keys)
    for key in plain:
        short = type(key) is tuple and len(key) <= MAX_TUPLE_KEY and all(type(part) in PLAIN for part in key)
        if not (type(key) in PLAIN or short or isinstance(key, (Ignored, Foreign, torch.dtype))):
            raise Absurd(f"a {type(key).__name__} is a key")
    return plain


def ordered(pairs: Iterable[Any] = ()) -> OrderedDict[Any, Any]:
    """In place of ``collections.OrderedDict``."""
    items = list(pairs)
    return OrderedDict(zip(checked_keys(key for key, _ in items), (value for _, value in items), strict=True))


def plain_set(items: Iterable[Any] = ()) -> set[Any]:
    """In place of ``set``."""
    return set(checked_keys(items))


def plain_frozenset(items: Iterable[Any] = ()) -> frozenset[Any]:
    """In place of ``frozenset``."""
    return frozenset(checked_keys(items))


def encoded(text: Any, *_: Any) -> bytes:
    """In place of ``_codecs.encode``, by which protocol 2 writes bytes."""
    latin: bytes = text.encode("latin1")
    return latin


def no_bytes(*_: Any) -> bytes:
    """In place of ``bytes()``, by which protocol 2 writes bytes of no length."""
    return b""


def scalar(dtype: Any, data: Any = None) -> Any:
    """In place of numpy's: a number or a text as Python's own; :class:`Ignored` where it is something else."""
    code = dtype.code if isinstance(dtype, Dtype) else ""
    if not isinstance(code, str) or not isinstance(data, bytes):
        return Ignored()
    if re.fullmatch(r"U\d+", code):
        return data.decode("utf-32-le" if dtype.order == "<" else "utf-32-be", "replace").rstrip("\0")
    if re.fullmatch("[iu][1248]|f[248]|b1", code) and len(data) == int(code[1]):
        return np.frombuffer(data, f"{dtype.order}{code}")[0].item()
    return Ignored()


def reconstructed(kind: Any, *_: Any) -> Any:
    """In place of ``copyreg._reconstructor``, by which protocols 0 and 1 write objects."""
    if isinstance(kind, Foreign):
        if kind.is_code(called=False):
            raise RunsCode(kind.name)
        return kind
    if isinstance(kind, type) and issubclass(kind, Ignored):
        return kind()
    raise RunsCode("a call of an object's maker")


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "builtins.getattr": method,
    "builtins.set": plain_set,
    "builtins.frozenset": plain_frozenset,
    "builtins.bytes": no_bytes,
    "collections.OrderedDict": ordered,
    "copyreg._reconstructor": reconstructed,
    "_codecs.encode": encoded,
    "numpy.dtype": Dtype,
    "numpy.core.multiarray.scalar": scalar,
    "numpy._core.multiarray.scalar": scalar,
    "torch._utils._rebuild_parameter": parameter,
    "torch._utils._rebuild_parameter_with_state": parameter,
    "torch.Size": torch.Size,
    "torch.device": torch.device,
}
