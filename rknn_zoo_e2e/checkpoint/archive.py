"""A ``.pt`` file: a zip with a pickle and the bytes of its tensors.

Three walls: the zip is read here, so that no size in it is believed (torch's own reader takes them as they are, and
reads past the end); the unpickler calls nothing; and what came out is looked through once more, so that no class, no
function and no method given to an instance is left in it for anybody to call later.
"""

from __future__ import annotations

import io
import zipfile
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rknn_zoo_e2e.checkpoint.unpickler import Foreign, Ignored, Method, Unpickler, absurd, needs, runs, title

LARGEST_PICKLE = 16 << 20  # bytes, of the structure without the tensors; yolov8x has 0.4 MB
DATA = (type(None), bool, int, float, str, bytes, torch.Tensor, torch.dtype, torch.device, Ignored)


def read_checkpoint(path: Path) -> Any:
    """The content of a ``.pt`` file: dicts, lists, tensors and layers.

    Raises:
        UnsafeCheckpoint: it asks for something a YOLO checkpoint has no need of.
        Exception: almost any, where it is damaged.
    """
    if not zipfile.is_zipfile(path):
        return read_old(path)
    with zipfile.ZipFile(path) as file:
        members = {member.filename: member for member in file.infolist()}
        pickles = [name for name in members if name.endswith("data.pkl")]
        if any(name.endswith("/constants.pkl") for name in members):
            raise absurd("it is a TorchScript archive, which holds a program")
        if len(members) < len(file.infolist()) or len(pickles) != 1:
            raise absurd("it holds two files of one name, or not one pickle")
        # torch never compresses, so a file that unpacks to more than itself is a bomb.
        if any(m.compress_type for m in members.values()) or sum(m.file_size for m in members.values()) > size(path):
            raise absurd("it unpacks to more than its own size")
        if members[pickles[0]].file_size > LARGEST_PICKLE:
            raise absurd(f"its structure has more than {LARGEST_PICKLE >> 20} MB")
        root = pickles[0].removesuffix("data.pkl")
        storage = cache(lambda key: bytearray(file.read(f"{root}data/{key}")))
        # Half of the room would do for any checkpoint: an element has two bytes at least.
        content = Unpickler(io.BytesIO(file.read(pickles[0])), storage, size(path)).load()
    audit(content)
    return content


def size(path: Path) -> int:
    return path.stat().st_size


def read_old(path: Path) -> None:
    """Says what is wrong with a file that is no zip: several pickles one after the other until torch 1.6."""
    with path.open("rb") as file:
        stream = io.BytesIO(file.read(LARGEST_PICKLE))

    def nothing(key: str) -> bytearray:
        raise absurd("it has the form of torch before 1.6")

    found = [Unpickler(stream, nothing, 0).load() for _ in range(4)]  # magic number, protocol, sizes, content
    audit(found)
    raise absurd("it has the form of torch before 1.6")


def audit(content: Any) -> None:
    """Raises :class:`UnsafeCheckpoint` unless there is nothing but data and layers, and no layer in a place of two.

    A class or a function left as a value would be called sooner or later, as a layer's ``act`` is; so would a method
    given to an instance; and layers that share layers, level by level, are walked for ever.
    """
    todo, seen = [content], {id(content)}
    while todo:
        one = todo.pop()
        if isinstance(one, Foreign):
            raise needs(one.name)
        if type(one) in (dict, OrderedDict):
            inner: Iterable[Any] = one.values()
        elif type(one) in (list, tuple, set, torch.Size):
            inner = one
        elif isinstance(one, nn.Module):
            inner = layer_state(one)
        elif isinstance(one, DATA):
            continue
        else:
            raise runs(f"{title(one)} kept as a value")
        for value in inner:
            if id(value) not in seen:
                seen.add(id(value))
                todo.append(value)
            elif isinstance(value, nn.Module) and value.__dict__.get("_modules"):
                raise absurd("one layer is a part of two")


def layer_state(layer: nn.Module) -> Iterator[Any]:
    """What a layer holds, after a look at its names."""
    kind, state = type(layer), layer.__dict__
    fused = state.pop("forward", None)  # by fuse(), which makes the same of it again
    if fused is not None:
        if type(fused) is not Method or fused.owner is not layer or fused.name != "forward_fuse":
            raise runs("a method given to a layer")
        state["forward"] = layer.forward_fuse
    for name, value in state.items():
        if name == "forward":
            continue
        if name != "type" and callable(getattr(kind, name, None)):  # parse_model notes a layer's type under that name
            raise runs(f"a layer's own {name}")
        if "hook" in name and value:
            raise runs(f"a layer's {name}")
        yield value
    for name, allowed in (("_modules", nn.Module), ("_parameters", torch.Tensor), ("_buffers", torch.Tensor)):
        if type(state[name]) not in (dict, OrderedDict):
            raise absurd(f"a layer's {name} are no mapping")
        if any(not isinstance(value, (allowed, type(None))) for value in state[name].values()):
            raise runs(f"something else among a layer's {name}")
