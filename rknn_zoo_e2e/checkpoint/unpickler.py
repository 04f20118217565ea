"""The pickle of a torch checkpoint as data: layers come out empty, tensors are their bytes, nothing is called.

torch's own restricted loader (``weights_only`` with a list of allowed classes) does not serve: it calls what is on its
list with the arguments the file gives, and in torch 2.4 a REDUCE of ``DetectionModel`` was shown to run code, since
that constructor evaluates the ``activation`` string of the configuration it is handed. Here a class is only ever made
empty, by ``nn.Module.__new__``, and given its attributes; ``tests/hostile.py`` keeps that file ("a constructor").
"""

from __future__ import annotations

import math
import pickle
import types
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import nn

from rknn_zoo_e2e.checkpoint.refusals import Absurd, RunsCode, Unsafe
from rknn_zoo_e2e.checkpoint.values import (
    FUNCTIONS,
    Foreign,
    HeadForward,
    Ignored,
    Method,
    checked,
    method,
    plain_frozenset,
    real_tensor,
    stand_in,
)

LAYERS = ("torch.nn.modules.", "ultralytics.nn.modules", "ultralytics.nn.tasks")  # nn.Module classes of these are built
RENAMED = {
    "ultralytics.nn.modules.block.Silence": "torch.nn.modules.linear.Identity",
    "ultralytics.nn.tasks.YOLOv10DetectionModel": "ultralytics.nn.tasks.DetectionModel",
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
    append: Callable[[Any], None]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, file: Any, storage: Callable[[str], bytearray], room: int) -> None:
        super().__init__(file, encoding="utf-8")
        self.storage, self.room = storage, room
        self.functions = (self.tensor, *FUNCTIONS.values())

    def find_class(self, module: str, name: str) -> Any:
        full = RENAMED.get(f"{module}.{name}", f"{module}.{name}")
        if full == "torch._utils._rebuild_tensor_v2":
            return self.functions[0]
        module, _, name = full.rpartition(".")
        if module == "torch":
            found = getattr(torch, DTYPES.get(name, name.removesuffix("Storage").lower()), None)
            return found if isinstance(found, torch.dtype) else stand_in(full)
        if not module.startswith(LAYERS):
            return stand_in(full)
        if owner := self.layer(*module.rpartition(".")[::2]):  # as protocol 4 writes getattr(owner, name)
            return method(owner, name)
        return self.layer(module, name) or Foreign(full)

    def layer(self, module: str, name: str) -> type[nn.Module] | None:
        """A class of torch's or Ultralytics' layers; None if the ones installed here have none of that name."""
        try:
            found = super().find_class(module, name)
        except (ImportError, AttributeError):  # of a newer release, or of somebody's fork
            return None
        known = isinstance(found, type) and issubclass(found, nn.Module) and found.__module__.startswith(LAYERS)
        return found if known else None

    def persistent_load(self, pid: Any) -> Any:
        """The elements of a storage, flat; a layer's class, which torch before 1.6 kept with its source."""
        kind, dtype, *rest = pid
        if kind == "module":
            return dtype
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise Absurd("it refers to something that is no tensor's data")
        key, _, count = rest[:3]
        data = self.storage(key)
        if not 0 <= count * dtype.itemsize <= len(data):
            raise Absurd("a tensor claims more data than there is")
        return torch.frombuffer(data, dtype=dtype, count=count) if count else torch.empty(0, dtype=dtype)

    def tensor(self, data: torch.Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Any:
        """In place of ``torch._utils._rebuild_tensor_v2``."""
        count = math.prod(size)
        self.room -= count
        if count > len(real_tensor(data)) or self.room < 0:
            raise Absurd("a tensor is larger than its data")
        return data.as_strided(size, stride, offset)

    def call(self, function: Any, args: Any) -> Any:
        """What stands for the result of a call."""
        if isinstance(function, Foreign):
            return function.made(called=True)
        if isinstance(function, type) and issubclass(function, Ignored):
            return function(*args)
        if not any(function is known for known in self.functions):
            raise misuse("a call of", function)
        return function(*args)

    def load_reduce(self) -> None:
        args = self.stack.pop()
        self.stack[-1] = self.call(self.stack[-1], args)

    def load_newobj(self) -> None:
        args, kind = self.stack.pop(), self.stack[-1]
        if isinstance(kind, Foreign):
            self.stack[-1] = kind.made(called=False)
        elif isinstance(kind, type) and issubclass(kind, Ignored):
            self.stack[-1] = kind()
        elif isinstance(kind, type) and issubclass(kind, nn.Module) and not args:
            # Empty: a model's constructor evaluates strings of its configuration.
            self.stack[-1] = nn.Module.__new__(kind)
        else:
            raise misuse("a call of", kind)

    def load_newobj_ex(self) -> None:
        self.stack.pop()  # arguments by name; those by place are left
        self.load_newobj()

    def _instantiate(self, kind: Any, args: Any) -> None:
        self.append(self.call(kind, args))

    def load_build(self) -> None:
        state, instance = self.stack.pop(), self.stack[-1]
        if isinstance(instance, Ignored):
            instance.restore(state)
        elif isinstance(instance, nn.Module) and type(state) is dict:
            # Not the instance's own, which it may have been given, nor its class's, which loops over what it is told.
            nn.Module.__setstate__(instance, state)
        elif type(instance) not in (Foreign, OrderedDict):  # of an OrderedDict, the version of a state dict
            raise misuse("a change to", instance)

    def extend(self, values: list[Any]) -> None:
        filled = self.stack[-1]
        if type(filled) is list:
            filled.extend(values)
        elif not isinstance(filled, (Ignored, Foreign)):
            raise misuse("a change to", filled)

    def update(self, items: list[Any]) -> None:
        filled = self.stack[-1]
        if type(filled) in (dict, OrderedDict):
            filled.update(zip(checked(items[::2]), items[1::2], strict=True))
        elif not isinstance(filled, (Ignored, Foreign)):
            raise misuse("a change to", filled)

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

    def load_frozenset(self) -> None:
        self.append(plain_frozenset(self.pop_mark()))

    def load_additems(self) -> None:
        items, filled = self.pop_mark(), self.stack[-1]
        if type(filled) is set:
            filled.update(checked(items))
        elif not isinstance(filled, (Ignored, Foreign)):
            raise misuse("a change to", filled)

    for _own in (load_reduce, load_newobj, load_newobj_ex, load_build, load_append, load_appends, load_frozenset):
        dispatch[getattr(pickle, _own.__name__[5:].upper())[0]] = _own
    for _own in (load_setitem, load_setitems, load_dict, load_additems):
        dispatch[getattr(pickle, _own.__name__[5:].upper())[0]] = _own
    for _never in (pickle.BYTEARRAY8, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER):
        del dispatch[_never[0]]


def misuse(what: str, thing: Any) -> Unsafe:
    """What is wrong with calling or changing something: of plain data it is only damage."""
    runnable = isinstance(thing, (type, Method, Foreign, HeadForward, nn.Module)) or callable(thing)
    return RunsCode(f"{what} {title(thing)}") if runnable else Absurd(f"it asks for {what} a {title(thing)}")


def title(thing: Any) -> str:
    """What to call something that came up where it should not; an instance's own name is not asked for."""
    if isinstance(thing, (Foreign, Method, HeadForward)):
        return thing.name
    return thing.__name__ if isinstance(thing, (type, types.FunctionType)) else type(thing).__name__
