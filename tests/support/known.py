"""A bundle of which all is known that a page can show, as commands leave it there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rknn_zoo_e2e.bundle import agreement, analysis, curves
from rknn_zoo_e2e.bundle.measurement_file import entry_of
from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.bundle.numbers import with_numbers
from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.bundle.writer import write_bundle
from rknn_zoo_e2e.toolkit.buildlog import placement
from support.bundle import made
from support.measurement import measured

HOSTILE = "</script><img src=x onerror=alert(1)>\"'`&amp;\u200f\u202b"  # what can be turned is taken from a page
NAMED = "</script><img src=x onerror=alert(1)>\"'`&amp;\u200f"  # as metadata may have it
FILE_NAMED = NAMED.replace("/", "")

GRAPH = b"\x08\x0a\x12\x04tiny"  # a model without a graph
HEAD = "ID   OpType   DataType Target InputShape   OutputShape   Cycles(DDR/NPU/Total)    RW(KB)   FullName\n"
ROW = "{id}    {op}   {dtype}     {target}    (1,3,64,96)   (1,16,32,48)   1/2/{cycles}   {kb}   {name}\n"
MEMORY = "D RKNN: [1] Total Internal Memory Size: 1118.75KB\nD RKNN: [1] Total Weight Memory Size: 669.062KB\n"


def log(name: str = "Conv:/model.0/conv/Conv") -> str:
    """A build log of three layers, the last of them on the CPU."""
    rows = [
        ROW.format(id=1, op="ConvExSwish", dtype="INT8", target="NPU", cycles=5_921_600, kb=4_201, name=name),
        ROW.format(id=2, op="Concat", dtype="INT8", target="NPU", cycles=0, kb=96, name="Concat:/model.1/Concat"),
        ROW.format(id=3, op="Reshape", dtype="FLOAT16", target="CPU", cycles=0, kb=1_378, name="Reshape:/model.22"),
    ]
    return HEAD + "".join(rows) + MEMORY


def parity(**figures: Any) -> dict[str, Any]:
    return {
        "pictures": 6, "cosine": {"scores": 0.99712, "boxes": 0.99998}, "detections": 32, "recall": 0.9688,
        "mean_iou": 0.9853, "score_difference": 0.0204, "passed": True,
    } | figures  # fmt: skip


def analysed(name: str = "model.10 attention") -> dict[str, Any]:
    blocks = [
        {
            "name": block, "stride": 32, "int8": int8, "regions": [["a", "b"]], "snr_db": snr,
            "snr_state_db": snr - 3.2,
            "own": {"score": 0.0121, "box_px": 0.19, name: 0.34},
            "gain": {"score": 0.0041, "box_px": 0.123, name: 0.045, "share": share},
            "cost": {"cycles": 51_200, "traffic_kb": 690}, "built": None,
        }
        for block, int8, snr, share in ((name, True, 21.4, 0.19), ("model.22 scores stem 0", False, 30.7, 0.08))
    ]  # fmt: skip
    pictures = {"name": name, "count": 8, "digest": "0" * 64}
    errors = {"anchors": 5_123, "score": 0.0213, "box_px": 0.61, name: 1.27}  # the third a task's own, of any name
    return {"state": "build", "wide": "fp16", "pictures": pictures, "errors": errors, "blocks": blocks}


def agreeing(data: str = "calib") -> dict[str, Any]:
    scores = [[0.91, 0.9], [0.72, 0.691], [0.55, None], [None, 0.43]]
    figures = {"backend": "simulator", "data": data, "pictures": 12, "lost": 1, "new": 1}
    return figures | {"parity": parity(pictures=12, detections=3, recall=0.6667, passed=False), "scores": scores}


def evaluated(backend: str, data: str, box: float) -> dict[str, Any]:
    metrics = {"box": {"map50": box + 0.2, "map": box}}
    return {"backend": backend, "data": data, "images": 40, "skipped": 1, "metrics": metrics}


def curved(backend: str, data: str, level: float) -> dict[str, Any]:
    precision = [round(level * (1 - (index / 100) ** 3), 4) for index in range(curves.POINTS)]
    return {"backend": backend, "data": data, "images": 40, "precision": {"box": precision}}


def known(folder: Path, socs: tuple[str, ...] = ("rk3566", "rv1106"), text: str = "coco", **spec: Any) -> Bundle:
    """Writes it: of what nobody can do without a board or a toolkit, figures of the kind that come out.

    Args:
        text: put wherever a text comes from outside.
        spec: of the model.
    """
    folder.mkdir(exist_ok=True)
    bundle = made(folder, **spec)
    content = log(text).encode()
    files: dict[str, Path | bytes] = {"x.log": content, "model.onnx": GRAPH}
    artifacts = []
    for soc in socs:
        artifact: Artifact = replace(
            bundle.artifacts[0],
            soc=soc,
            log="x.log",
            log_sha256=hashlib.sha256(content).hexdigest(),
            placement=placement(content.decode()),
            parity=parity(),
            seconds={"build": 8.4, "verify": 1.2},
            evaluations=[evaluated("onnx", text, 0.452), evaluated("simulator", text, 0.4471)],
            measured=[entry_of(measured())],
            numbers={},
        )
        kept: Mapping[str, Any] = {
            analysis.KIND: analysed(text),
            agreement.KIND: agreeing(text),
            curves.KIND: [curved("onnx", text, 0.97), curved("simulator", text, 0.95)],
        }
        for kind, data in kept.items():
            files |= with_numbers(kind, data)(artifact)
        artifacts.append(artifact)
    bundle.artifacts = artifacts
    bundle.onnx_sha256 = hashlib.sha256(GRAPH).hexdigest()
    bundle.origin["versions"] = {"rknn-toolkit2": "2.3.2", "torch": "2.4.0"}
    write_bundle(bundle, files)
    return read_bundle(bundle.path)
