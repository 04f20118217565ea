"""Finds out whether an ONNX file refers to other files, without loading it.

ONNX allows a tensor's data to lie in another file, by any path; the onnx library opens that path when it loads the
model. So a graph from a stranger is scanned here first: only field numbers and lengths of the protobuf are read.
"""

from __future__ import annotations

import mmap
from pathlib import Path

MOST_FIELDS = 2_000_000  # read before a file is given up; a yolo11x graph has some 20,000

# From onnx.proto: for each message, the field numbers that contain tensors at some depth, and their message.
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
EXTERNAL_FIELDS = {13, 14}  # of a tensor: external_data, data_location
FIXED_WIRE_BYTES = {1: 8, 5: 4}  # protobuf wire type: bytes


def refers_outside(path: Path) -> bool:
    """Whether any tensor of the graph keeps its data in another file.

    Raises:
        ValueError: it is empty, no ONNX model, or has more than :data:`MOST_FIELDS` fields.
    """
    if not path.stat().st_size:
        raise ValueError("it is empty")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return _has_external_tensor(data)


def _has_external_tensor(data: mmap.mmap) -> bool:
    todo, count = [("model", 0, len(data))], 0
    while todo:
        message, at, end = todo.pop()
        while at < end:
            count += 1
            key, at = _varint(data, at)
            field, wire = key >> 3, key & 7
            if message == "tensor" and field in EXTERNAL_FIELDS:
                return True
            if wire == 0:
                _, at = _varint(data, at)
            elif wire == 2:
                length, at = _varint(data, at)
                if field in FIELDS[message]:
                    todo.append((FIELDS[message][field], at, at + length))
                at += length
            elif wire in FIXED_WIRE_BYTES:
                at += FIXED_WIRE_BYTES[wire]
            else:
                raise ValueError("it is no ONNX model")
            if at > end or count > MOST_FIELDS:
                raise ValueError("it is no ONNX model")
    return False


def _varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    """Decodes a protobuf varint (7 bits a byte) at offset ``at``; returns it with the offset behind it."""
    value = shift = 0
    while shift < 70 and at < len(data):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("it is no ONNX model")
