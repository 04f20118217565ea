"""Checkpoints as people have them: of old releases, of forks and other projects, and files that are none."""

from __future__ import annotations

import argparse
import copy
import datetime
import io
import pickle
import struct
import types
import zipfile
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from uuid import UUID

import numpy as np
import torch
from torch import nn

from support import hostile

WEIGHTS = hostile.SHAPES.parent


def starter(name: str = "shapes") -> nn.Module:
    """A starter model in fp32, as torch loads it."""
    return torch.load(WEIGHTS / f"{name}.pt", map_location="cpu", weights_only=False)["model"].float()


def save(path: Path, model: nn.Module, protocol: int = 2, **more: object) -> Path:
    """As a trainer does."""
    content = {"model": copy.deepcopy(model).half(), "train_args": {"imgsz": 320}} | more
    torch.save(content, path, pickle_protocol=protocol)
    return path


def renamed(path: Path, **classes: str) -> Path:
    """A starter model whose pickle asks for other classes: those of ``ultralytics`` by name, as ``module.Class``."""
    with zipfile.ZipFile(hostile.SHAPES) as file:
        members = {name: file.read(name) for name in file.namelist()}
    pickled = members["archive/data.pkl"]
    for old, new in classes.items():
        module = {"DetectionModel": "ultralytics.nn.tasks", "C2f": "ultralytics.nn.modules.block"}[old]
        before = f"c{module}\n{old}\n".encode()
        assert before in pickled
        pickled = pickled.replace(before, "c{}\n{}\n".format(*new.rsplit(".", 1)).encode())
    with zipfile.ZipFile(path, "w") as file:
        for name, content in (members | {"archive/data.pkl": pickled}).items():
            file.writestr(name, content)
    return path


def zipped(*names: str) -> bytes:
    """A zip of files of these names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in names:
            file.writestr(name, b"x")
    return buffer.getvalue()


# What a file holds, and what it is told to be.
FILES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "is empty"),
    "a text": (b"hello", "is damaged, or no model file"),
    "a web page": (b"\n<!DOCTYPE html><html><body>404</body></html>", "is a web page"),
    "a pointer of Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "pointer of Git LFS"),
    "a server's answer": (b'{"message": "rate limit"}', "is a JSON text"),
    "OpenVINO": (b'<?xml version="1.0"?>\n<net name="x">', "is an XML file, such as an OpenVINO"),
    "RKNN": (b"RKNN\0\0\0\0", "is a built RKNN model"),
    "ONNX": (b"\x08\x09\x12\x07pytorch\x1a\x05", "is an ONNX"),
    "TensorRT": (b"ftrt\0\0\0\0\x01", "is a TensorRT engine"),
    "TensorRT as Ultralytics writes it": (struct.pack("<I", 60) + b'{"description": "x"}', "is a TensorRT engine"),
    "safetensors": (struct.pack("<Q", 40) + b'{"w": {"dtype": "F32"}}', "weights without layers"),
    "TFLite": (b"\x1c\0\0\0TFL3\0\0", "is a TFLite model"),
    "Keras": (b"\x89HDF\r\n\x1a\n\0\0", "is an HDF5 file"),
    "Darknet": (struct.pack("<iiiq", 0, 2, 5, 32013312), "weights of Darknet"),
    "gzip": (b"\x1f\x8b\x08\0\0\0", "is a packed archive"),
    "a photograph": (b"\xff\xd8\xff\xe0\0\x10JFIF", "is a picture"),
    "the beginning of a download": (hostile.SHAPES.read_bytes()[:200_000], "is cut off"),
    "a zip's first bytes": (b"PK\x03\x04 not a zip", "is cut off"),
    "TorchScript": (zipped("best/data.pkl", "best/code/x.py", "best/constants.pkl"), "is a TorchScript archive"),
    "torch.export": (zipped("x/archive_format", "x/models/model.json"), "program of torch.export"),
    "Keras 3": (zipped("config.json", "model.weights.h5"), "is a Keras or TensorFlow model"),
    "a data set": (zipped("train/a.jpg", "data.yaml"), "zip archive of 2 files, none of them a checkpoint"),
    "a zipped checkpoint": (zipped("runs/best.pt"), "zip archive that holds 'best.pt'"),
    "a plain pickle": (pickle.dumps({"a": 1}), "is a pickle that torch.save did not write"),
}
# What is saved by torch, and what that is told to be.
CONTENTS: dict[str, tuple[Callable[[], object], str]] = {
    "a module": (starter, r"is a whole module \(DetectionModel\)"),
    "a state_dict": (lambda: starter().state_dict(), r"weights without layers \(a state_dict\)"),
    "weights of YOLOX": (lambda: {"start_epoch": 3, "model": starter().state_dict()}, "weights without layers"),
    "weights of MMDetection": (lambda: {"meta": {}, "state_dict": starter().state_dict()}, "weights without layers"),
    "a plain network": (lambda: {"model": nn.Sequential(nn.Conv2d(3, 8, 3))}, "holds a Sequential, not a YOLO"),
    "a tensor": (lambda: torch.zeros(3), "holds a Tensor, not a YOLO model"),
    "results": (lambda: {"epoch": 3, "results": "x"}, r"holds no model \(only epoch, results\)"),
    "no model": (lambda: {"model": None, "ema": None}, r"holds no model \(only model, ema\)"),
    "a wrapped model": (lambda: {"model": nn.DataParallel(starter())}, "wrapped for several GPUs"),
    "an empty dictionary": (dict, "holds no model"),
}
# The class a model is said to be of, or to have, and what that is told to be.
CLASSES: dict[str, tuple[dict[str, str], str]] = {
    "YOLOv5": ({"DetectionModel": "models.yolo.Model"}, "anchor-based checkpoint of the YOLOv5 repository"),
    "YOLOv5 since 7.0": ({"DetectionModel": "models.yolo.DetectionModel"}, "anchor-based checkpoint of the YOLOv5"),
    "YOLOv5, segment": ({"DetectionModel": "models.yolo.SegmentationModel"}, "anchor-based checkpoint of the YOLOv5"),
    "YOLO-NAS": ({"DetectionModel": "super_gradients.training.YoloNAS_S"}, "is a checkpoint of YOLO-NAS"),
    "torchvision": ({"DetectionModel": "torchvision.models.resnet.ResNet"}, "is a checkpoint of torchvision"),
    "a YOLO object": ({"DetectionModel": "ultralytics.models.yolo.model.YOLO"}, "is a whole YOLO object"),
    "an old YOLO object": ({"DetectionModel": "ultralytics.yolo.engine.model.YOLO"}, "is a whole YOLO object"),
    "a newer block": ({"C2f": "ultralytics.nn.modules.block.NewC2f"}, "which the Ultralytics installed here does not"),
    "a fork's module": ({"C2f": "ultralytics.nn.extra_modules.Odd"}, "which the Ultralytics installed here does not"),
    "a newer task": ({"DetectionModel": "ultralytics.nn.tasks.NewModel"}, "which the Ultralytics installed here does"),
    "a script's class": ({"C2f": "__main__.MyC2f"}, r"of a script that nobody can import"),
    "somebody's package": ({"C2f": "no_such_package.MyC2f"}, r"classes other than YOLO's own \(no_such_package\.MyC2f"),
    "somebody's model": ({"DetectionModel": "no_such_package.Net"}, r"classes other than YOLO's own"),
}


class Point:
    """Somebody's class."""


# Values beside a model that nobody reads.
LEFTOVERS: dict[str, object] = {
    "a date": datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc),
    "options": argparse.Namespace(lr=0.1, date=datetime.date(2026, 1, 2)),
    "a namespace": types.SimpleNamespace(a=1),
    "numpy numbers": [np.float64(0.5), np.int64(3), np.bool_(True), np.str_("x"), np.arange(3), np.float32(1)],
    "numpy's keys": {np.int64(0): "a", np.str_("b"): 1},
    "a generator": np.random.RandomState(0),
    "numbers": [Decimal("1.5"), Fraction(1, 3), 1j, 2**200],
    "sets": [{1}, frozenset({2}), range(3), slice(1), b"", b"x", bytearray(b"y")],
    "collections": [deque([1]), Counter("aab"), OrderedDict(a=1)],
    "an identifier": UUID(int=1),
    "a version": torch.__version__,
    "an optimizer": torch.optim.SGD([nn.Parameter(torch.zeros(2))], lr=0.1),
    "somebody's object": Point(),
    "a class": Point,
    "pairs for keys": {("map", 0.5): 1},
    "a tensor": torch.zeros(3),
}


def write(folder: Path, kind: str) -> Path:
    """The file of a kind of :data:`FILES`, :data:`CONTENTS` or :data:`CLASSES`."""
    path = folder / "x.pt"
    if kind in FILES:
        path.write_bytes(FILES[kind][0])
    elif kind in CONTENTS:
        torch.save(CONTENTS[kind][0](), path)
    else:
        renamed(path, **CLASSES[kind][0])
    return path


TOLD = {kind: told for table in (FILES, CONTENTS, CLASSES) for kind, (_, told) in table.items()}
assert len(TOLD) == len(FILES) + len(CONTENTS) + len(CLASSES)
