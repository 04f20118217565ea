"""Checkpoints as other releases, forks, projects and people leave them."""

from __future__ import annotations

import argparse
import datetime
import io
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from fuzzing.harness import Attempt
from fuzzing.material import Material
from fuzzing.mutations import VALUES, WORDS, scrambled
from fuzzing.pickles import repacked

# What other files begin with.
BEGINNINGS = (
    b"<!DOCTYPE html>", b"version https://git-lfs.github.com/spec/v1", b"{", b"<?xml", b"RKNN",
    b"\x08\x09\x12\x07pytorch", b"ftrt", b"\x3c\0\0\0{\"a\"", b"\x28\0\0\0\0\0\0\0{\"a\"", b"\0\0\0\0TFL3", b"\x89HDF",
    b"\x1f\x8b", b"\xff\xd8\xff", b"PK\x03\x04", b"", b"\x80\x02}.", b"\x80\x04N.", b"\0\0\0\0\x02\0\0\0\x05\0\0\0",
)  # fmt: skip
CLASSES = (
    "models.yolo.Model", "models.common.Conv", "ultralytics.nn.modules.block.NewC2f", "ultralytics.nn.extra.Odd",
    "ultralytics.yolo.engine.model.YOLO", "ultralytics.models.yolo.model.YOLO", "ultralytics.utils.loss.NewLoss",
    "super_gradients.Nas", "__main__.Net", "no_such_package.Layer", "torch.nn.modules.conv.Conv9d", "datetime.datetime",
    "torch.nn.modules.container.Sequential", "ultralytics.nn.modules.head.Detect", "os.system", "builtins.eval",
    "torch.nn.parallel.data_parallel.DataParallel", "ultralytics.nn.tasks.SegmentationModel", "argparse.Namespace",
)  # fmt: skip
KNOWN = (
    b"cultralytics.nn.tasks\nDetectionModel\n", b"cultralytics.nn.modules.block\nC2f\n",
    b"ctorch.nn.modules.conv\nConv2d\n",
    b"cultralytics.nn.modules.conv\nConv\n", b"ccollections\nOrderedDict\n", b"cultralytics.nn.modules.head\nDetect\n",
)  # fmt: skip


def _values(rng: Random) -> Any:
    """What people keep beside and inside models."""
    from ultralytics.nn.modules.head import Detect

    made: tuple[Callable[[], Any], ...] = (
        lambda: datetime.datetime(2026, 1, 2),
        lambda: argparse.Namespace(imgsz=rng.choice(VALUES)),
        lambda: np.float64(rng.random()),
        lambda: {np.int64(rng.randrange(9)): rng.choice(WORDS)},
        lambda: np.array([rng.choice((1, 0.5, True))]),
        lambda: frozenset({1}),
        lambda: Path("x"),
        lambda: Detect.forward,
        lambda: Detect,
        lambda: rng.choice(VALUES),
    )
    return rng.choice(made)()


def _names(rng: Random, count: int) -> Any:
    """Class names in any form."""
    words = [
        rng.choice((*WORDS, "a\r", "\ufeffb", "c" * 300, b"d", None, 7)) for _ in range(rng.choice((0, 1, count, 9)))
    ]
    start = rng.choice((0, 1, -1))
    key: Callable[[int], Any] = rng.choice((int, str, float, np.int64))
    return rng.choice((words, tuple(words), {key(index + start): word for index, word in enumerate(words)}, None, "ab"))


def _spoil(rng: Random, model: Any, content: dict[str, Any]) -> None:
    """One habit of people's files."""
    layers = list(model.modules())
    head, layer = model.model[-1], rng.choice(layers)
    habits: tuple[Callable[[], Any], ...] = (
        lambda: model.__dict__.update(names=_names(rng, head.nc)),
        lambda: content.update(train_args={"imgsz": rng.choice((*VALUES, 640.0, "640", [640], (320, 640)))}),
        lambda: content.update(train_args=_values(rng)),
        lambda: content.update({rng.choice(("date", "git", "optimizer", "ema", "train_results")): _values(rng)}),
        lambda: content.update(ema=model),
        lambda: content.pop("model", None),
        lambda: model.__dict__.update({rng.choice(("args", "criterion", "yaml", "task", "stride")): _values(rng)}),
        lambda: head.__dict__.update({rng.choice(("detect", "nc", "reg_max", "kpt_shape", "stride")): _values(rng)}),
        lambda: layer.__dict__.update({rng.choice(("act", "c", "forward", "f", "i", "inplace")): _values(rng)}),
        lambda: layer._modules.update({rng.choice(("act", "cv0", "cv1", "conv")): rng.choice(layers)}),
        lambda: layer._modules.pop(rng.choice(list(layer._modules) or [""]), None),
    )
    rng.choice(habits)()


def _saved(rng: Random, source: Path) -> bytes:
    """A starter model with one to three habits, in one of several forms."""
    import torch

    content = torch.load(source, map_location="cpu", weights_only=False)
    model = content["model"]
    for _ in range(rng.randint(1, 3)):
        _spoil(rng, model, content)
    whole = rng.random()
    kept = model if whole < 0.05 else model.state_dict() if whole < 0.1 else content
    buffer = io.BytesIO()
    torch.save(kept, buffer, pickle_protocol=rng.choice((2, 2, 4)), _use_new_zipfile_serialization=rng.random() < 0.95)
    return buffer.getvalue()


def foreign(rng: Random, material: Material, folder: Path) -> Attempt:
    """Checkpoints of old releases, of forks and of other projects; files that are none."""
    path = folder / rng.choice(("best.pt", "last.pt", "ü x.pt"))
    source = rng.choice(material.checkpoints)
    kind = rng.randrange(4)
    if kind == 0:
        path.write_bytes(rng.choice(BEGINNINGS) + rng.randbytes(rng.choice((0, 9, 700))))
    elif kind == 1:
        module, _, name = rng.choice(CLASSES).rpartition(".")
        known = rng.choice(KNOWN)
        path.write_bytes(
            repacked(source.read_bytes(), lambda pickled: pickled.replace(known, f"c{module}\n{name}\n".encode()))
        )
    else:
        try:
            data = _saved(rng, source)
        except (AttributeError, TypeError, ValueError, RecursionError):  # what cannot be saved comes from nobody
            data = source.read_bytes()
        path.write_bytes(scrambled(rng, data, 1) if rng.random() < 0.1 else data)
    picture = str(material.folder / "picture.jpg")
    return Attempt(
        rng.choice(
            (
                ["info", str(path)],
                ["info", str(path), "--json"],
                ["demo", picture, "-m", str(path), "--backend", "torch", "--json"],
            )
        )
    )
