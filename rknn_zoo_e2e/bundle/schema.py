"""What ``metadata.yaml`` may hold. Whoever made a bundle wrote it, so nothing in it is believed before this."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from rknn_zoo_e2e.bundle.measurement import MEASURED
from rknn_zoo_e2e.files.validation import (
    anything,
    choice,
    either,
    exactly,
    listed,
    mapping,
    nullable,
    number,
    shown,
    text,
    truth,
)
from rknn_zoo_e2e.files.yaml_data import read_yaml, write_yaml
from rknn_zoo_e2e.tasks.contract import CONTRACTS
from rknn_zoo_e2e.tasks.registry import TASKS
from rknn_zoo_e2e.tasks.spec import LARGEST_SIDE, MOST_CLASSES, ModelSpec, check_names

# Of each file of a bundle, by its suffix, in bytes. Metadata of ten artifacts has 40 KB, yolov8x at fp32 0.27 GB.
LARGEST = {
    ".yaml": 4 << 20, ".yml": 1 << 20, ".txt": 8 << 20, ".json": 64 << 20, ".log": 64 << 20,
    ".onnx": 1 << 30, ".rknn": 1 << 30,
}  # fmt: skip
MOST_POINTS = 1000  # key points
MOST_ARTIFACTS = 200
MOST_RECORDED = 300  # characters of the name of a calibration, or of a picture of it

COUNT = number(0, 10**15, whole=True)
AMOUNT = number(0)
POINT = number(0, MOST_POINTS - 1, whole=True)
SHA256 = text(64, re.compile("[0-9a-f]{64}"))
WORD = text(20, re.compile("[a-z0-9]+"))
STEM = r"(?!.:)[^/\\]+"  # no folder, and no drive of Windows
NAME = text(250, re.compile(STEM))
LAYOUT = choice("flat", "grid", "levels")


def file(suffix: str) -> Any:
    """The name of a file in the bundle."""
    return text(255, re.compile(rf"{STEM}\.{suffix}"))


def numbers(value: Any, where: str) -> None:
    """Checksums of files of numbers by their names."""
    mapping({}, SHA256)(value, where)
    for name in value:
        file("json")(name, where)


HYBRID = listed(listed(text(500), 2, 2), 1000)
PLACEMENT = mapping(
    {
        "npu": COUNT,
        "cpu": listed(mapping({"op": text(), "name": text(500), "shape": text()}), 10_000),
        "traffic_kb": AMOUNT,
        "cycles": AMOUNT,
    }
)
PARITY = mapping(
    {"pictures": COUNT, "detections": COUNT, "passed": truth, "cosine": mapping({"scores": number()}, number())},
    number(),
)
EVALUATION = mapping(
    {
        "backend": WORD,
        "data": text(),
        "images": COUNT,
        "metrics": mapping({}, mapping({"map50": number(0, 1), "map": number(0, 1)}, anything)),
    },
    anything,
)
ARTIFACT = mapping(
    {
        "soc": WORD,
        "precision": WORD,
        "file": file("rknn"),
        "sha256": SHA256,
        "bytes": COUNT,
        "toolkit": text(30, re.compile(r"\d[\w.+-]*")),
        "fingerprint": text(64, re.compile("[0-9a-f]*")),
        "layout": LAYOUT,
        "left_out": nullable(listed(choice("names", "skeleton"), 2)),
        "hybrid": HYBRID,
        "calibration": either(exactly(""), file("json")),
        "calibration_sha256": either(exactly(""), SHA256),
        "log": either(exactly(""), file("log")),
        "log_sha256": either(exactly(""), SHA256),
        "graph": either(exactly(""), file("onnx")),
        "graph_sha256": either(exactly(""), SHA256),
        "placement": either(exactly({}), PLACEMENT),
        "parity": either(exactly({}), PARITY),
        "seconds": mapping({}, AMOUNT),
        "evaluations": listed(EVALUATION, 1000),
        "measured": MEASURED,
        "numbers": numbers,
    },
    optional=frozenset({"measured", "numbers"}),
)

RANGE = listed(number(-1e38, 1e38), 2**16, 1)
CALIBRATION = mapping(
    {
        "name": text(MOST_RECORDED),
        "digest": text(64),
        "pictures": listed(text(MOST_RECORDED), 100_000),
        "digests": listed(SHA256, 100_000),
        "ranges": mapping({}, listed(RANGE, 2, 2)),
    },
    optional=frozenset({"digests"}),
)


def names(value: Any, where: str) -> None:
    """Class names by index, without a gap."""
    if not isinstance(value, dict) or len(value) > MOST_CLASSES or list(value) != list(range(len(value))):
        raise ValueError(f"{where} does not count from 0 to less than {MOST_CLASSES}")
    check_names(value.values())


MODEL = {
    "name": NAME,
    "task": text(20),
    "names": names,
    "imgsz": listed(number(1, LARGEST_SIDE, whole=True), 2, 2),
    "stride": number(1, 256, whole=True),
    "kpt_shape": listed(number(1, MOST_POINTS, whole=True), 2, 2),
    "skeleton": listed(listed(POINT, 2, 2), MOST_POINTS),
    "masks": number(0, 1024, whole=True),
    "nms_free": truth,
    "contract": text(40),
    "levels": number(1, 8, whole=True),
    "bins": number(1, 256, whole=True),
}
MODEL_OPTIONAL = frozenset({"kpt_shape", "skeleton", "masks", "contract", "levels", "bins"})
METADATA = mapping(
    {
        **MODEL,
        "weights_sha256": SHA256,
        "onnx_layout": LAYOUT,
        "onnx_sha256": SHA256,
        "artifacts": listed(ARTIFACT, MOST_ARTIFACTS),
        "license": text(),
        "versions": mapping({}, text()),
        "zoo": text(),
    },
    anything,
    optional=MODEL_OPTIONAL | {"license", "versions", "zoo"},
)
MOST_NAMES = LARGEST[".yaml"] // 2  # bytes of all that is not of the artifacts


def read_manifest(path: Path) -> dict[str, Any]:
    """``metadata.yaml`` as a mapping; of what it holds only ``format_version`` may be known afterwards."""
    data = read_yaml(path, LARGEST[".yaml"])
    if not isinstance(data, dict):
        raise ValueError("no mapping")
    return data


def check_manifest(data: dict[str, Any]) -> ModelSpec:
    """Raises ValueError where something in it is not what it should be."""
    METADATA(data, "")
    return _consistent(data)


def check_model(spec: ModelSpec) -> None:
    """Raises ValueError where a bundle of this model could not be read again: known before anything is built."""
    data = spec.to_metadata()
    mapping(MODEL, anything, MODEL_OPTIONAL)(data, "")
    _consistent(data)
    if (size := len(write_yaml(data).encode())) > MOST_NAMES:
        raise ValueError(f"the names of its classes take {size:,} bytes, more than {MOST_NAMES:,}")


def _consistent(data: dict[str, Any]) -> ModelSpec:
    """The model of metadata each of whose values is possible. Raises ValueError where they are not together."""
    if data["task"] not in TASKS:
        raise ValueError(f"task is {shown(data['task'])}")
    if any(side % data["stride"] for side in data["imgsz"]):
        raise ValueError(f"imgsz is not a multiple of the stride {data['stride']}")
    spec = ModelSpec.from_metadata(data)
    TASKS[spec.task].check(spec)
    if spec.contract not in CONTRACTS:
        raise ValueError(f"its outputs are for {shown(spec.contract)}")
    return spec
