"""Reads the container of a ``.pt`` file: a zip with one pickle and the bytes of each tensor.

The zip is read here, not by torch, because torch's reader believes the sizes a file states and reads past its end.
"""

from __future__ import annotations

import io
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

from rknn_zoo_e2e.checkpoint.refusals import Absurd, Refused
from rknn_zoo_e2e.checkpoint.unpickler import Unpickler

MAX_PICKLE_BYTES = 16 << 20  # of the structure without the tensors; yolov8x has 0.4 MB
OLD_FORMAT_MAGIC = 0x1950A86A20F9469CFC6C  # the first value in files torch wrote before 1.6


def read_archive(path: Path) -> Any:
    """The content of a ``.pt`` file: dicts, lists, tensors and layers, not yet audited.

    Raises:
        Refused: it asks for something a YOLO checkpoint has no need of.
        Exception: almost any, where it is damaged.
    """
    if not zipfile.is_zipfile(path):
        return read_old(path)
    with zipfile.ZipFile(path) as file:
        members = {member.filename: member for member in file.infolist()}
        pickles = [name for name in members if name.endswith("data.pkl")]
        if len(members) < len(file.infolist()) or len(pickles) != 1:
            raise Absurd("it holds two files of one name, or not one pickle")
        # torch never compresses, so a file that unpacks to more than itself is a bomb.
        if any(m.compress_type for m in members.values()) or sum(m.file_size for m in members.values()) > size(path):
            raise Absurd("it unpacks to more than its own size")
        if members[pickles[0]].file_size > MAX_PICKLE_BYTES:
            raise Absurd(f"its structure has more than {MAX_PICKLE_BYTES >> 20} MB")
        root = pickles[0].removesuffix("data.pkl")
        storage = cache(lambda key: bytearray(file.read(f"{root}data/{key}")))
        # As many elements as the file has bytes: twice what a checkpoint needs, as an element has two bytes or more.
        return Unpickler(io.BytesIO(file.read(pickles[0])), storage, size(path)).load()


def size(path: Path) -> int:
    """In bytes."""
    return path.stat().st_size


def read_old(path: Path) -> None:
    """Raises :class:`Refused` for a file that is no zip: torch's format before 1.6, or another pickle."""
    with path.open("rb") as file:
        stream = io.BytesIO(file.read(MAX_PICKLE_BYTES))

    def nothing(key: str) -> bytearray:
        raise Refused(
            "has the form torch gave its files before 1.6, which is not read here",
            'Load and save it with a newer torch: torch.save(torch.load("old.pt"), "new.pt").',
            "If you trust who made it, load it with {flag}.",
        )

    first = Unpickler(stream, nothing, 0).load()
    if first != OLD_FORMAT_MAGIC:
        raise Refused("is a pickle that torch.save did not write", "Give a .pt saved by Ultralytics.")
    for _ in range(3):  # protocol, sizes, content
        Unpickler(stream, nothing, 0).load()
    nothing("")
