"""Small bundles to publish, and the command in a process of its own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.bundle.writer import write_bundle
from rknn_zoo_e2e.files.checksum import sha256
from rknn_zoo_e2e.tasks.spec import ModelSpec

STANDIN = Path(__file__).parent.parent / "standin"
SPEC = ModelSpec("tiny", "detect", ("a", "b"), (64, 96))
SHAPES = "be656b9c50e1274754c443cb7a58b19704e85a759d6961af6026ee440f3086d7"  # as models/shapes.yaml has it
PLACEMENT = {"npu": 10, "cpu": [], "traffic_kb": 2048, "cycles": 1_500_000}


def make(
    folder: Path,
    *socs: str,
    spec: ModelSpec = SPEC,
    precision: str = "int8",
    log: str = "built\n",
    calib: str = "c",
    weights: str = "a" * 64,
    zoo: str = "",
    **facts,
) -> Bundle:
    """A bundle nobody looks into the models of; its .rknn says what it was built for."""
    folder.mkdir(parents=True, exist_ok=True)
    graph = b"\x08\x0a\x12\x04tiny"  # a model without a graph
    ranges = json.dumps({"name": calib, "digest": "d", "pictures": ["p"], "ranges": {}}).encode()
    made: dict[str, Path | bytes] = {"model.onnx": graph, "calibration-1.json": ranges}
    (folder / "graph").write_bytes(graph)
    artifacts = []
    for soc in socs or ("rk3566",):
        stem = f"{spec.name}-{soc}-{precision}"
        made[f"{stem}.rknn"], made[f"{stem}.log"] = b"\0" + soc.encode() * 20_000, log.encode()
        (folder / "rknn").write_bytes(made[f"{stem}.rknn"])
        digest, length = sha256(folder / "rknn"), (folder / "rknn").stat().st_size
        files = {"calibration": "calibration-1.json", "log": f"{stem}.log"}
        files |= {"calibration_sha256": sha256_of(ranges), "log_sha256": sha256_of(log.encode())}
        one = {"toolkit": "2.3.2", "fingerprint": "f", "placement": PLACEMENT} | files | facts
        artifacts.append(Artifact(soc, precision, f"{stem}.rknn", digest, length, **one))
    origin = {"license": "AGPL-3.0", "versions": {"rknn-toolkit2": "2.3.2"}} | ({"zoo": zoo} if zoo else {})
    path = folder / f"{spec.name}_rknn_model"
    write_bundle(Bundle(path, spec, "flat", weights, sha256(folder / "graph"), artifacts, origin), made)
    return read_bundle(path)


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def cli(*args: object, cwd: Path, board: str = "", **environment: object) -> subprocess.CompletedProcess:
    """The command in a process of its own; on a board answered by recorded tensors where ``board`` names a SoC."""
    command = [sys.executable, str(STANDIN / "board.py")] if board else [sys.executable, "-m", "rknn_zoo_e2e"]
    names = {name: str(value) for name, value in environment.items()}
    if board:
        np.savez(cwd / "tensors.npz", **{"any-0": answer()})
        names |= {"RKNNLITE_STANDIN_SOC": board, "RKNNLITE_STANDIN_TENSORS": str(cwd / "tensors.npz")}
        names["PYTHONPATH"] = f"{STANDIN}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    everything = [*command, *map(str, args)]
    return subprocess.run(everything, cwd=cwd, env=os.environ | names, capture_output=True, text=True)


def answer() -> np.ndarray:
    """An "a" in the middle of everything."""
    out = np.zeros((1, 6, 126), np.float32)
    out[0, :5, 7] = 0.5, 0.5, 0.2, 0.2, 0.9
    return out
