"""Faults for real, in any process that has this folder in PYTHONPATH: no product code knows of it.

``E2ERKNN_FAULTS`` (JSON) says which call of which model or SoC goes wrong and how: ``{"name": ["call", "fault"]}``,
where "call 2" is the second one. A model is known by the file Ultralytics is given, a SoC by the ``target_platform``
the vendor's toolkit is given.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

FAULTS = json.loads(os.environ.get("E2ERKNN_FAULTS", "{}"))
CHILD = "86399"  # seconds a helper process sleeps: how to find it
# Module -> the calls in it that may go wrong.
CALLS = {
    "torch.onnx": ["export"],
    "ultralytics.nn.tasks": ["load_checkpoint"],
    "ultralytics.nn.modules.head": ["Detect.forward"],
    "onnxruntime": ["InferenceSession.run"],
    "rknn.api": [
        f"RKNN.{name}"
        for name in (
            "config",
            "load_onnx",
            "hybrid_quantization_step1",
            "hybrid_quantization_step2",
            "export_rknn",
            "inference",
        )
    ],
}
names = {"*"}  # of the model and SoC this process is at work on


def go_wrong(fault: str) -> object:
    """Does what a library may do."""
    print(f"Going wrong: {fault}", flush=True)
    if fault.startswith("SIG"):
        os.kill(os.getpid(), signal.Signals[fault])
    elif fault == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen(["sleep", CHILD])
        while True:
            time.sleep(1)
    elif fault == "fill":  # the disk
        with open(os.path.join(os.environ["TMPDIR"], "filler"), "wb") as file:
            while True:
                file.write(bytes(1 << 16))
                file.flush()
    elif fault == "-1":
        print("\x1b[31mE build: The layer at fault, as the vendor names it.\x1b[0m", flush=True)
        return -1
    elif fault == "exit":
        sys.exit(3)
    raise {"MemoryError": MemoryError, "RuntimeError": RuntimeError, "KeyError": KeyError}[fault]("out of order")


def wrapped(call: str, real):
    count = 0

    def wrapper(*args, **kwargs):
        nonlocal count
        count += 1
        if call == "load_checkpoint":
            names.add(Path(args[0]).stem)
        names.update(v for k, v in kwargs.items() if k == "target_platform")
        for name in names & FAULTS.keys():
            if FAULTS[name][0] in (call, f"{call} {count}"):
                return go_wrong(FAULTS[name][1])
        return real(*args, **kwargs)

    return wrapper


class Loader(importlib.abc.Loader):
    """Loads a module, then wraps its calls."""

    def __init__(self, name: str, real) -> None:
        self.name, self.real = name, real

    def __getattr__(self, name: str):
        return getattr(self.real, name)

    def create_module(self, spec):
        return self.real.create_module(spec)

    def exec_module(self, module) -> None:
        self.real.exec_module(module)
        for call in CALLS[self.name]:
            *outer, last = call.split(".")
            owner = getattr(module, outer[0]) if outer else module
            setattr(owner, last, wrapped(call, getattr(owner, last)))


class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name not in CALLS:
            return None
        sys.meta_path.remove(self)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            sys.meta_path.insert(0, self)
        if spec is not None:
            spec.loader = Loader(name, spec.loader)
        return spec


if FAULTS:
    sys.meta_path.insert(0, Finder())
