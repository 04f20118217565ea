"""A pretended board (``tests/standin``), and bundles for it whose .rknn nobody looks into."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.bundle.writer import write_bundle
from rknn_zoo_e2e.files.checksum import sha256
from rknn_zoo_e2e.tasks.spec import ModelSpec

STANDIN = Path(__file__).parents[1] / "standin"
SPEC = ModelSpec("tiny", "detect", ("a", "b"), (64, 96))


def make_bundle(folder: Path, spec: ModelSpec, *socs: str) -> Path:
    """A bundle whose .rknn nobody looks into."""
    artifacts, made = [], {"model.onnx": b"no graph"}
    for soc in socs:
        name = f"{spec.name}-{soc}-int8.rknn"
        made[name] = soc.encode()
        (folder / name).write_bytes(made[name])
        artifacts.append(Artifact(soc, "int8", name, sha256(folder / name), 6, "2.3.2", "", placement={}))
    (folder / "model.onnx").write_bytes(b"no graph")
    path = folder / f"{spec.name}_rknn_model"
    write_bundle(Bundle(path, spec, "flat", "a" * 64, sha256(folder / "model.onnx"), artifacts, {}), made)
    return path


def on_board(*args: object, cwd: Path, soc: str = "rk3566", **environment: object) -> subprocess.CompletedProcess:
    """The CLI in a process of its own, on a board."""
    names = {f"RKNNLITE_STANDIN_{name}": str(value) for name, value in ({"SOC": soc} | environment).items()}
    command = [sys.executable, STANDIN / "board.py", *args]
    return subprocess.run([*map(str, command)], cwd=cwd, env=os.environ | names, capture_output=True, text=True)
