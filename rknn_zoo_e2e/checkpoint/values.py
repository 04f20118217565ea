"""What stands for the things a pickle names: nothing is imported or called, whatever the name.

A name is one of five: a *layer* of torch or Ultralytics, built empty; a function that makes *data*, done here; a value
*nobody reads* (losses, dates, paths), of which nothing is left; a class that is *not known*, which leaves nothing but
its name, and is refused where a model needs it; and *code*: a function of the standard library, or a call of anybody's
function, refused wherever it stands.
"""

from __future__ import annotations

import re
import sys
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import torch
from torch import nn

from rknn_zoo_e2e.checkpoint.refusals import Absurd, RunsCode

# What training leaves behind and people keep beside a model: nothing here needs it.
LEFTOVERS = re.compile(
    r"ultralytics\.(utils|yolo(?!\.engine\.model))\.([\w.]+\.)?(v\d+)?[A-Z]\w*|"
    r"datetime\.\w+|decimal\.Decimal|fractions\.Fraction|uuid\.(UUID|SafeUUID)|zoneinfo\.ZoneInfo(\._unpickle)?|"
    r"pathlib\.([\w.]+\.)?\w*Path|collections\.(defaultdict|deque|Counter)|time\.struct_time|re\._compile|"
    r"ipaddress\.\w+|typing\.\w+|enum\.\w+|array\.(array|_array_reconstructor)|builtins\.(complex|bytearray|slice|x?range)|"
    r"numpy\.(ndarray|random\._pickle\.__\w+_ctor|_?core\.(multiarray\._reconstruct|numeric\._frombuffer))|"
    r"pandas\.(_libs|core\.(frame|series|indexes|internals|arrays|dtypes))\.[\w.]+"
)
# Options as objects: what they were set to is read where a dictionary would be.
OPTIONS = re.compile(r"argparse\.Namespace|types\.SimpleNamespace|ultralytics\.(\w+\.)?utils\.IterableSimpleNamespace")
# Types that are named where a value of theirs is made, as in defaultdict(list); called they are code like any other.
TYPES = re.compile(r"builtins\.(int|long|float|str|unicode|bytes|bool|list|dict|tuple|object)")


class Ignored:
    """Stands for a value nobody reads; holds nothing and does nothing."""

    def __init__(self, *_: Any) -> None:
        pass

    def restore(self, state: Any) -> None:
        """Takes what BUILD would set; nothing is kept."""


class Options(Ignored):
    """Stands for a namespace.

    Attributes:
        values: what it was set to.
    """

    def __init__(self, *_: Any) -> None:
        self.values: dict[Any, Any] = {}

    def restore(self, state: Any) -> None:
        if type(state) is dict:
            self.values = state


class Dtype(Ignored):
    """Stands for numpy's, so that scalars can be read.

    Attributes:
        code: such as ``i8``, without the order of bytes.
        order: "<" or ">".
    """

    def __init__(self, code: Any = "", *_: Any) -> None:
        self.code, self.order = code, "<"

    def restore(self, state: Any) -> None:
        if type(state) is tuple and len(state) > 1 and state[1] == ">":
            self.order = ">"


class Foreign:
    """Stands for a class that is not known and for objects of it; what they were filled with is dropped."""

    def __init__(self, name: str) -> None:
        self.name = name

    def made(self, called: bool) -> Foreign:
        """An object of it. Raises :class:`RunsCode` if that was the call of a function, to judge by its name."""
        if TYPES.fullmatch(self.name) or (called and not self.name.split(".")[-1].lstrip("_")[:1].isupper()):
            raise RunsCode(self.name)
        return self


class Method:
    """A bound method, as ``getattr`` pickles one; :mod:`~rknn_zoo_e2e.checkpoint.audit` says which may be."""

    def __init__(self, owner: Any, name: str) -> None:
        self.owner, self.name = owner, name


class HeadForward:
    """``Detect.forward``, which heads kept as ``detect`` until Ultralytics 8.2.5; it is allowed there alone."""

    name = "Detect.forward"


def stand_in(full: str) -> Any:
    """What stands for a name that is no layer.

    Raises:
        RunsCode: it is the standard library's and no value.
    """
    module, _, name = full.rpartition(".")
    module, name = NAME_MAPPING.get((module, name), (module, name))  # protocol 2 names things as Python 2 did
    full = f"{IMPORT_MAPPING.get(module, module)}.{name}"
    if full in FUNCTIONS:
        return FUNCTIONS[full]
    if OPTIONS.fullmatch(full):
        return Options
    if LEFTOVERS.fullmatch(full):
        return Ignored
    if full.split(".")[0] in sys.stdlib_module_names and not TYPES.fullmatch(full):
        raise RunsCode(full)
    return Foreign(full)


@cache
def head_class() -> type[nn.Module]:
    """The class all YOLO heads of Ultralytics come from."""
    from ultralytics.nn.modules.head import Detect

    return Detect


def method(owner: Any, name: str) -> Any:
    """In place of ``getattr``."""
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
    return nn.Parameter(real_tensor(data), requires_grad=False)


def real_tensor(data: Any) -> torch.Tensor:
    """A layer, say, may have been given methods of a tensor's."""
    if type(data) is not torch.Tensor:
        raise Absurd("something takes a tensor's place")
    return data


PLAIN = (str, int, float, bool, bytes, type(None))


def checked(keys: Iterable[Any]) -> list[Any]:
    """Keys as checkpoints have them: others, such as tuples of tuples, could take forever to hash."""
    found = list(keys)
    for key in found:
        short = type(key) is tuple and len(key) < 10 and all(type(part) in PLAIN for part in key)
        if not (type(key) in PLAIN or short or isinstance(key, (Ignored, Foreign, torch.dtype))):
            raise Absurd(f"a {type(key).__name__} is a key")
    return found


def ordered(pairs: Iterable[Any] = ()) -> OrderedDict[Any, Any]:
    found = list(pairs)
    return OrderedDict(zip(checked(key for key, _ in found), (value for _, value in found), strict=True))


def plain_set(items: Iterable[Any] = ()) -> set[Any]:
    return set(checked(items))


def plain_frozenset(items: Iterable[Any] = ()) -> frozenset[Any]:
    return frozenset(checked(items))


def encoded(text: Any, *_: Any) -> bytes:
    """Bytes as protocol 2 writes them."""
    return text.encode("latin1")


def no_bytes(*_: Any) -> bytes:
    """``bytes()``, as protocol 2 writes those of no length."""
    return b""


def scalar(dtype: Any, data: Any = None) -> Any:
    """A number or a text of numpy's as Python's own; nothing where it is something else."""
    code = dtype.code if isinstance(dtype, Dtype) else ""
    if not isinstance(code, str) or not isinstance(data, bytes):
        return Ignored()
    if re.fullmatch(r"U\d+", code):
        return data.decode("utf-32-le" if dtype.order == "<" else "utf-32-be", "replace").rstrip("\0")
    if re.fullmatch("[iu][1248]|f[248]|b1", code) and len(data) == int(code[1]):
        import numpy as np

        return np.frombuffer(data, f"{dtype.order}{code}")[0].item()
    return Ignored()


def reconstructed(kind: Any, *_: Any) -> Any:
    """An object as protocols 0 and 1 write it."""
    if isinstance(kind, Foreign):
        return kind.made(called=False)
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
