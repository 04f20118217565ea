"""The pickle of a torch checkpoint as data: layers come out empty, tensors are their bytes, nothing is called.

Why torch's own restricted loader does not serve: ``torch.load(weights_only=True)`` with Ultralytics' classes on its
list of allowed ones (``add_safe_globals``) calls a listed class, by the opcode REDUCE, with arguments the file gives.
``DetectionModel`` takes a configuration, and its constructor evaluates the ``activation`` string in it as Python. So a
file that names nothing but an allowed class runs any code. ``test_torchs_own_restricted_loader_runs_code`` in
``tests/test_checkpoint.py`` keeps such a file and shows it with the torch installed (2.4.0, Ultralytics 8.4.190).
Ultralytics' own restricted loading does not evaluate it, but needs torch 2.6; rknn-toolkit2 allows 2.4 at most.

Here a class is only ever made empty, by ``nn.Module.__new__``, and then given its attributes.
"""

from __future__ import annotations

import math
import pickle
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import nn

from rknn_zoo_e2e.checkpoint.functions import FUNCTIONS, checked_keys, plain_frozenset, real_tensor
from rknn_zoo_e2e.checkpoint.globals import find_global
from rknn_zoo_e2e.checkpoint.refusals import Absurd, Misuse, RunsCode
from rknn_zoo_e2e.checkpoint.stand_ins import Foreign, Ignored


class Unpickler(pickle._Unpickler):
    """Python's own unpickler, with every opcode that calls or changes something replaced.

    Args:
        file: the pickle.
        storage: a tensor's bytes by its key in the archive.
        room: how many elements all tensors may have together.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)
    stack: list[Any]
    append: Callable[[Any], None]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, file: Any, storage: Callable[[str], bytearray], room: int) -> None:
        super().__init__(file, encoding="utf-8")
        self.storage, self.room = storage, room
        self.functions = (self.tensor, *FUNCTIONS.values())

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name in the pickle; see :mod:`~rknn_zoo_e2e.checkpoint.globals`."""
        if f"{module}.{name}" == "torch._utils._rebuild_tensor_v2":
            return self.functions[0]
        return find_global(module, name)

    def persistent_load(self, pid: Any) -> Any:
        """The elements of a storage, as a flat tensor; or a layer's class, kept with its source by torch before 1.6."""
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
        """Calls a function of ours; for a stand-in, gives what stands for its result. Raises for anything else."""
        if isinstance(function, Foreign):
            if function.is_code(called=True):
                raise RunsCode(function.name)
            return function
        if isinstance(function, type) and issubclass(function, Ignored):
            return function(*args)
        if not any(function is known for known in self.functions):
            raise Misuse("a call of", function)
        return function(*args)

    def load_reduce(self) -> None:
        """REDUCE: calls what lies below the arguments with them (:meth:`call`)."""
        args = self.stack.pop()
        self.stack[-1] = self.call(self.stack[-1], args)

    def load_newobj(self) -> None:
        """NEWOBJ: makes an object of a class, always an empty one."""
        args, kind = self.stack.pop(), self.stack[-1]
        if isinstance(kind, Foreign):
            if kind.is_code(called=False):
                raise RunsCode(kind.name)
        elif isinstance(kind, type) and issubclass(kind, Ignored):
            self.stack[-1] = kind()
        elif isinstance(kind, type) and issubclass(kind, nn.Module) and not args:
            # Empty: a model's constructor evaluates strings of its configuration.
            self.stack[-1] = nn.Module.__new__(kind)
        else:
            raise Misuse("a call of", kind)

    def load_newobj_ex(self) -> None:
        """NEWOBJ_EX: the same; there are arguments by name, too, which are dropped."""
        self.stack.pop()  # arguments by name; those by place are left
        self.load_newobj()

    def _instantiate(self, kind: Any, args: Any) -> None:
        self.append(self.call(kind, args))

    def load_build(self) -> None:
        """BUILD: gives an object its state, and runs nothing of the object's own for it."""
        state, instance = self.stack.pop(), self.stack[-1]
        if isinstance(instance, Ignored):
            instance.restore(state)
        elif isinstance(instance, nn.Module) and type(state) is dict:
            # Not the instance's own __setstate__, which the file may have set, nor its class's, which may loop over it.
            nn.Module.__setstate__(instance, state)
        elif type(instance) not in (Foreign, OrderedDict):  # of an OrderedDict, the version of a state dict
            raise Misuse("a change to", instance)

    def extend(self, values: list[Any]) -> None:
        """Adds values to the list on top of the stack. Raises :class:`Misuse` where something else lies there."""
        filled = self.stack[-1]
        if type(filled) is list:
            filled.extend(values)
        elif not isinstance(filled, (Ignored, Foreign)):
            raise Misuse("a change to", filled)

    def update(self, items: list[Any]) -> None:
        """Adds items (key, value, key, ...) to the dictionary on top of the stack.

        Raises:
            Misuse: something else lies there.
        """
        filled = self.stack[-1]
        if type(filled) in (dict, OrderedDict):
            filled.update(zip(checked_keys(items[::2]), items[1::2], strict=True))
        elif not isinstance(filled, (Ignored, Foreign)):
            raise Misuse("a change to", filled)

    def load_append(self) -> None:
        """APPEND: adds one value to a list."""
        self.extend([self.stack.pop()])

    def load_appends(self) -> None:
        """APPENDS: adds all values down to the mark to a list."""
        self.extend(self.pop_mark())

    def load_setitem(self) -> None:
        """SETITEM: adds one item to a dictionary."""
        value, key = self.stack.pop(), self.stack.pop()
        self.update([key, value])

    def load_setitems(self) -> None:
        """SETITEMS: adds all items down to the mark to a dictionary."""
        self.update(self.pop_mark())

    def load_dict(self) -> None:
        """DICT: makes a dictionary of all items down to the mark."""
        items = self.pop_mark()
        self.stack.append({})
        self.update(items)

    def load_frozenset(self) -> None:
        """FROZENSET: makes one of all values down to the mark."""
        self.append(plain_frozenset(self.pop_mark()))

    def load_additems(self) -> None:
        """ADDITEMS: adds all values down to the mark to a set."""
        items, filled = self.pop_mark(), self.stack[-1]
        if type(filled) is set:
            filled.update(checked_keys(items))
        elif not isinstance(filled, (Ignored, Foreign)):
            raise Misuse("a change to", filled)

    for _own in (load_reduce, load_newobj, load_newobj_ex, load_build, load_append, load_appends, load_frozenset):
        dispatch[getattr(pickle, _own.__name__[5:].upper())[0]] = _own
    for _own in (load_setitem, load_setitems, load_dict, load_additems):
        dispatch[getattr(pickle, _own.__name__[5:].upper())[0]] = _own
    for _never in (pickle.BYTEARRAY8, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER):
        del dispatch[_never[0]]
