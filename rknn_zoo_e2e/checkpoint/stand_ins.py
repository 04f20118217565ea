"""What the unpickler puts in the place of objects it does not make: they hold next to nothing and do nothing."""

from __future__ import annotations

import re
import types
from functools import cache
from typing import Any

from torch import nn

# Types that are named where a value of theirs is made, as in defaultdict(list); called they are code like any other.
TYPES = re.compile(r"builtins\.(int|long|float|str|unicode|bytes|bool|list|dict|tuple|object)")


class Ignored:
    """Stands for a value nobody reads, such as a date or a loss; nothing of it is kept."""

    def __init__(self, *_: Any) -> None:
        pass

    def restore(self, state: Any) -> None:
        """Takes what the opcode BUILD would set."""


class Options(Ignored):
    """Stands for a namespace of options.

    Attributes:
        values: what it was set to; read where a dictionary of options would be.
    """

    def __init__(self, *_: Any) -> None:
        self.values: dict[Any, Any] = {}

    def restore(self, state: Any) -> None:
        """Keeps a dictionary of options; of anything else nothing is kept."""
        if type(state) is dict:
            self.values = state


class Dtype(Ignored):
    """Stands for numpy's dtype, so that numpy's scalars can be read.

    Attributes:
        code: such as ``i8``, without the byte order.
        order: the byte order, "<" or ">".
    """

    def __init__(self, code: Any = "", *_: Any) -> None:
        self.code, self.order = code, "<"

    def restore(self, state: Any) -> None:
        """Keeps the byte order of numpy's state, the one thing the code does not say."""
        if type(state) is tuple and len(state) > 1 and state[1] == ">":
            self.order = ">"


class Foreign:
    """Stands for a class that is not known, and for objects of it; what they were filled with is dropped.

    Attributes:
        name: of the class, with its module.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def is_code(self, called: bool) -> bool:
        """Whether making an object of it would run code of the file's choice.

        Args:
            called: by a call, which may be that of a function: judged by its name, as classes begin with a capital.
        """
        last = self.name.split(".")[-1].lstrip("_")
        return bool(TYPES.fullmatch(self.name)) or (called and not last[:1].isupper())


class Method:
    """A bound method, as ``getattr`` pickles one; :mod:`~rknn_zoo_e2e.checkpoint.audit` says which may stay."""

    def __init__(self, owner: Any, name: str) -> None:
        self.owner, self.name = owner, name


class HeadForward:
    """``Detect.forward``, which heads kept as ``detect`` until Ultralytics 8.2.5; it is allowed there alone."""

    name = "Detect.forward"


def title(thing: Any) -> str:
    """What a message calls an object; an instance's own ``__name__`` is not asked for, it may be anything."""
    if isinstance(thing, (Foreign, Method, HeadForward)):
        return thing.name
    return thing.__name__ if isinstance(thing, (type, types.FunctionType)) else type(thing).__name__


def is_runnable(thing: Any) -> bool:
    """Whether an object could be called, or stands for one that could."""
    return isinstance(thing, (type, Method, Foreign, HeadForward, nn.Module)) or callable(thing)


@cache
def head_class() -> type[nn.Module]:
    """The class all YOLO heads of Ultralytics inherit from."""
    from ultralytics.nn.modules.head import Detect

    detect: type[nn.Module] = Detect
    return detect
