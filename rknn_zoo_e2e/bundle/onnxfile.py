"""A look into an ONNX file without the libraries that would follow what it refers to."""

from __future__ import annotations

import mmap
from pathlib import Path

MOST_FIELDS = 2_000_000  # a yolo11x graph has some 20,000

# onnx.proto: by message, the fields that lead to tensors, and to which message.
FIELDS = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}  # fmt: skip
EXTERNAL = {13, 14}  # of a tensor: external_data, data_location
FIXED = {1: 8, 5: 4}  # wire types of fixed length, in bytes


def refers_outside(path: Path) -> bool:
    """Whether a tensor's data is said to be in another file.

    Raises:
        ValueError: it is no ONNX model, or an absurd one.
    """
    if not path.stat().st_size:
        raise ValueError("it is empty")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return _walk(data)


def _walk(data: mmap.mmap) -> bool:
    todo, count = [("model", 0, len(data))], 0
    while todo:
        message, at, end = todo.pop()
        while at < end:
            count += 1
            key, at = _varint(data, at)
            field, wire = key >> 3, key & 7
            if message == "tensor" and field in EXTERNAL:
                return True
            if wire == 0:
                _, at = _varint(data, at)
            elif wire == 2:
                length, at = _varint(data, at)
                if field in FIELDS[message]:
                    todo.append((FIELDS[message][field], at, at + length))
                at += length
            elif wire in FIXED:
                at += FIXED[wire]
            else:
                raise ValueError("it is no ONNX model")
            if at > end or count > MOST_FIELDS:
                raise ValueError("it is no ONNX model")
    return False


def _varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    """A number of 7 bits a byte, and where it ends."""
    value = shift = 0
    while shift < 70 and at < len(data):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("it is no ONNX model")
