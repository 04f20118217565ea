"""The pickle of a torch checkpoint as data: layers come out empty, tensors are their bytes, nothing is called."""

from __future__ import annotations

import math
import pickle
import re
import sys
import types
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import torch
from torch import nn

from rknn_zoo_e2e.document import harmless

LAYERS = ("torch.nn.modules.", "ultralytics.nn.modules", "ultralytics.nn.tasks")  # nn.Module classes of these are built
RENAMED = {
    "ultralytics.nn.modules.block.Silence": "torch.nn.modules.linear.Identity",
    "ultralytics.nn.tasks.YOLOv10DetectionModel": "ultralytics.nn.tasks.DetectionModel",
}
# What training leaves behind, and nothing here needs: losses, options, paths, numpy's numbers.
TRAINING = re.compile(
    r"ultralytics\.(utils|yolo)\.([\w.]+\.)?(v\d+)?[A-Z]\w*|pathlib\.([\w.]+\.)?\w*Path|_codecs\.encode|collections\.defaultdict|"
    r"numpy\.(dtype|ndarray|_?core\.multiarray\.(scalar|_reconstruct))"
)
# Of the standard library, what people keep rather than call.
VALUES = {"datetime", "decimal", "enum", "fractions", "types", "typing", "uuid"}


class UnsafeCheckpoint(Exception):
    """What a checkpoint must not do; the message goes on from its name: "tries to run code ..."."""

    def __init__(self, what: str) -> None:
        super().__init__(harmless(what, 200))  # names in it are the file's


def runs(what: str) -> UnsafeCheckpoint:
    return UnsafeCheckpoint(f"tries to run code when it is loaded ({what})")


def needs(what: str) -> UnsafeCheckpoint:
    return UnsafeCheckpoint(f"needs classes other than YOLO's own ({what})")


def absurd(what: str) -> UnsafeCheckpoint:
    return UnsafeCheckpoint(f"is not made as checkpoints are: {what}")


class Ignored:
    """Stands for something of the training; holds nothing and does nothing."""

    def __init__(self, *_: Any) -> None:
        pass


class Foreign:
    """Stands for something that is not known, until it is clear what the pickle wants of it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def made(self) -> UnsafeCheckpoint:
        """What is wrong with making an object of it: it may be somebody's layer."""
        top = self.name.split(".")[0]
        return runs(self.name) if top in sys.stdlib_module_names - VALUES else needs(self.name)

    def called(self) -> UnsafeCheckpoint:
        """What is wrong with its call: it may be a class, by its name."""
        return self.made() if self.name.split(".")[-1][:1].isupper() else runs(self.name)


class Method:
    """A bound method, as ``getattr`` pickles one; :func:`audit` says which may be."""

    def __init__(self, owner: Any, name: str) -> None:
        self.owner, self.name = owner, name


def method(owner: Any, name: str) -> Any:
    """In place of ``getattr``."""
    if not isinstance(name, str):
        raise absurd("a name is no text")
    if isinstance(owner, nn.Module):
        return Method(owner, name)
    return Foreign(f"{owner.name if isinstance(owner, Foreign) else 'getattr'}.{name}")


def parameter(data: torch.Tensor, *_: Any) -> nn.Parameter:
    return nn.Parameter(real_tensor(data), requires_grad=False)


def real_tensor(data: Any) -> torch.Tensor:
    """A layer, say, may have been given methods of a tensor's."""
    if type(data) is not torch.Tensor:
        raise absurd("something takes a tensor's place")
    return data


def checked(keys: Iterable[Any]) -> list[Any]:
    """Keys as checkpoints have them: others, such as tuples of tuples, could take forever to hash."""
    found = list(keys)
    for key in found:
        if type(key) not in (str, int, float, bool, bytes, type(None)):
            raise absurd(f"a {type(key).__name__} is a key")
    return found


def ordered(pairs: Iterable[Any] = ()) -> OrderedDict[Any, Any]:
    found = list(pairs)
    return OrderedDict(zip(checked(key for key, _ in found), (value for _, value in found), strict=True))


def plain_set(items: Iterable[Any] = ()) -> set[Any]:
    return set(checked(items))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "builtins.getattr": method,
    "__builtin__.getattr": method,
    "torch._utils._rebuild_parameter": parameter,
    "torch._utils._rebuild_parameter_with_state": parameter,
    "collections.OrderedDict": ordered,
    "builtins.set": plain_set,
    "__builtin__.set": plain_set,
    "torch.Size": torch.Size,
    "torch.device": torch.device,
}
DTYPES = {"FloatStorage": "float32", "ByteStorage": "uint8", "CharStorage": "int8"}  # others are called as their type


class Unpickler(pickle._Unpickler):  # type: ignore[name-defined]
    """The pure-Python unpickler; whatever calls or changes something is done here instead.

    Args:
        file: the pickle.
        storage: a tensor's bytes by its key in the archive.
        room: how many elements all tensors together may have.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)  # type: ignore[attr-defined]
    stack: list[Any]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, file: Any, storage: Callable[[str], bytearray], room: int) -> None:
        super().__init__(file, encoding="utf-8")
        self.storage, self.room = storage, room
        self.functions = (Ignored, self.tensor, *FUNCTIONS.values())

    def find_class(self, module: str, name: str) -> Any:
        full = RENAMED.get(f"{module}.{name}", f"{module}.{name}")
        module, _, name = full.rpartition(".")
        if full == "torch._utils._rebuild_tensor_v2":
            return self.functions[1]
        if full in FUNCTIONS:
            return FUNCTIONS[full]
        if module == "torch":
            found = getattr(torch, DTYPES.get(name, name.removesuffix("Storage").lower()), None)
            return found if isinstance(found, torch.dtype) else Foreign(full)
        if TRAINING.fullmatch(full):
            return Ignored
        if module.startswith(LAYERS):
            try:
                found = super().find_class(module, name)
            except (ImportError, AttributeError):  # of a newer release, or of somebody's fork
                return Foreign(full)
            if isinstance(found, type) and issubclass(found, nn.Module) and found.__module__.startswith(LAYERS):
                return found
        return Foreign(full)

    def persistent_load(self, pid: Any) -> torch.Tensor:
        """The elements of a storage, flat."""
        kind, dtype, key, _, count = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise absurd("it refers to something that is no tensor's data")
        data = self.storage(key)
        if not 0 <= count * dtype.itemsize <= len(data):
            raise absurd("a tensor claims more data than there is")
        return torch.frombuffer(data, dtype=dtype, count=count) if count else torch.empty(0, dtype=dtype)

    def tensor(self, data: torch.Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Any:
        """In place of ``torch._utils._rebuild_tensor_v2``."""
        count = math.prod(size)
        self.room -= count
        if count > len(real_tensor(data)) or self.room < 0:
            raise absurd("a tensor is larger than its data")
        return data.as_strided(size, stride, offset)

    def load_reduce(self) -> None:
        args, function = self.stack.pop(), self.stack[-1]
        if isinstance(function, Foreign):
            raise function.called()
        if not any(function is known for known in self.functions):
            raise misuse("a call of", function)
        self.stack[-1] = function(*args)

    def load_newobj(self) -> None:
        args, kind = self.stack.pop(), self.stack[-1]
        if isinstance(kind, Foreign):
            raise kind.made()
        if kind is Ignored:
            self.stack[-1] = Ignored()
        elif isinstance(kind, type) and issubclass(kind, nn.Module) and not args:
            # Empty: a model's constructor evaluates strings of its configuration.
            self.stack[-1] = nn.Module.__new__(kind)
        else:
            raise misuse("a call of", kind)

    def _instantiate(self, kind: Any, _: Any) -> None:
        raise kind.called() if isinstance(kind, Foreign) else misuse("a call of", kind)

    def load_newobj_ex(self) -> None:
        self._instantiate(self.stack[-3], None)

    def load_build(self) -> None:
        state, instance = self.stack.pop(), self.stack[-1]
        if isinstance(instance, nn.Module) and type(state) is dict:
            # Not the instance's own, which it may have been given, nor its class's, which loops over what it is told.
            nn.Module.__setstate__(instance, state)
        elif type(instance) not in (Ignored, OrderedDict):  # of an OrderedDict, the version of a state dict
            raise misuse("a change to", instance)

    def extend(self, values: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise misuse("a change to", self.stack[-1])
        self.stack[-1].extend(values)

    def update(self, items: list[Any]) -> None:
        if type(self.stack[-1]) not in (dict, OrderedDict, Ignored):
            raise misuse("a change to", self.stack[-1])
        if not isinstance(self.stack[-1], Ignored):
            self.stack[-1].update(zip(checked(items[::2]), items[1::2], strict=True))

    def load_append(self) -> None:
        self.extend([self.stack.pop()])

    def load_appends(self) -> None:
        self.extend(self.pop_mark())

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.update([key, value])

    def load_setitems(self) -> None:
        self.update(self.pop_mark())

    def load_dict(self) -> None:
        items = self.pop_mark()
        self.stack.append({})
        self.update(items)

    def load_additems(self) -> None:
        items = self.pop_mark()
        if type(self.stack[-1]) is not set:
            raise misuse("a change to", self.stack[-1])
        self.stack[-1].update(checked(items))

    for _own in (load_reduce, load_newobj, load_newobj_ex, load_build, load_append, load_appends):
        dispatch[getattr(pickle, _own.__name__[5:].upper())[0]] = _own
    for _own in (load_setitem, load_setitems, load_dict, load_additems):
        dispatch[getattr(pickle, _own.__name__[5:].upper())[0]] = _own
    for _never in (pickle.FROZENSET, pickle.BYTEARRAY8, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER):
        del dispatch[_never[0]]


def misuse(what: str, thing: Any) -> UnsafeCheckpoint:
    """What is wrong with calling or changing something: of plain data it is only damage."""
    runnable = isinstance(thing, (type, Method, Foreign, nn.Module)) or callable(thing)
    return runs(f"{what} {title(thing)}") if runnable else absurd(f"it asks for {what} a {title(thing)}")


def title(thing: Any) -> str:
    """What to call something that came up where it should not; an instance's own name is not asked for."""
    if isinstance(thing, (Foreign, Method)):
        return thing.name
    return thing.__name__ if isinstance(thing, (type, types.FunctionType)) else type(thing).__name__
