"""Finding and reading a bundle: nothing in its folder is believed before it is checked."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from rknn_zoo_e2e.bundle.checks import (
    COPY_OR_BUILD_AGAIN,
    DO_NOT_USE,
    check_content,
    check_kind,
    check_size,
    names_outside_files,
)
from rknn_zoo_e2e.bundle.formats import READABLE, present
from rknn_zoo_e2e.bundle.model import LABELS, METADATA, ONNX, SUFFIX, Artifact, Bundle
from rknn_zoo_e2e.bundle.schema import CALIBRATION, check_manifest, read_manifest
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.validation import shown

MAKE_ONE = "Make one with: e2erknn convert MODEL --soc rk3566"


def is_bundle(path: Path) -> bool:
    """Whether a folder holds a ``metadata.yaml``, which is what makes it a bundle to the commands."""
    return (path / METADATA).is_file()


def newest(folder: Path) -> Path | None:
    """The bundle in a folder that was changed last: what commands take where none is named. None if there is none."""
    times: dict[Path, int] = {}
    for path in folder.glob(f"*{SUFFIX}"):
        with suppress(FileNotFoundError):  # removed just now
            if is_bundle(path):
                times[path] = changed(path)
    return max(times, key=lambda path: times[path], default=None)


def changed(bundle: Path) -> int:
    """Time of a bundle's last change, ns since the epoch."""
    return (bundle / METADATA).stat().st_mtime_ns


def read_bundle(path: Path) -> Bundle:
    """Reads and checks a bundle's metadata and labels; the large files are checked when they are used (`check_file`).

    Raises:
        UserError: ``path`` is no bundle of this format, its metadata is damaged or impossible, a file is a link, or the
            labels do not match the metadata.
    """
    if not is_bundle(path):
        part = path.is_file() and is_bundle(path.parent)
        fix = f"Give the folder it lies in: {path.parent}" if part else MAKE_ONE
        raise UserError(f"{path} is not a bundle (it has no {METADATA}).", fix)
    check_kind(path, METADATA)
    try:
        held = read_manifest(path / METADATA)
        if (data := present(held)) is None:
            version = shown(held.get("format_version"))
            what = f"{path} has bundle format {version}; this e2erknn reads {READABLE}."
            raise UserError(what, "Build it again with: e2erknn convert")
        if names_outside_files(data.get("artifacts")):
            raise UserError(f"{path} names files outside itself.", DO_NOT_USE)
        spec = check_manifest(data)
        artifacts = [Artifact(**a) for a in data["artifacts"]]
    except (OSError, ValueError) as error:
        fix = "Do not use it unless you made it; build it again with: e2erknn convert"
        raise UserError(f"{path / METADATA} is damaged ({error}).", fix) from error
    keys = {*spec.to_metadata(), "args", "format_version", "outputs", "artifacts"}
    origin = {k: v for k, v in data.items() if k not in keys | {"weights_sha256", "onnx_layout", "onnx_sha256"}}
    bundle = Bundle(path, spec, data["onnx_layout"], data["weights_sha256"], data["onnx_sha256"], artifacts, origin)
    for name in bundle.files:
        check_kind(path, name)
    labels = path / LABELS
    if labels.exists():
        check_size(labels)
        if labels.read_bytes().replace(b"\r\n", b"\n") != bundle.labels_text().encode():
            raise UserError(f"{labels} does not name the classes {METADATA} does.", COPY_OR_BUILD_AGAIN)
    return bundle


def check_file(bundle: Bundle, name: str, expected: str) -> Path:
    """A file of the bundle after its checksum was compared. Raises :class:`UserError` as :func:`check_content` does."""
    return check_content(bundle.path / name, expected)


def graph_of(bundle: Bundle, artifact: Artifact) -> Path:
    """The ONNX graph an artifact was built from: its own, else the bundle's. Raises as :func:`check_file` does."""
    if artifact.graph:
        return check_file(bundle, artifact.graph, artifact.graph_sha256)
    return check_file(bundle, ONNX, bundle.onnx_sha256)


def read_ranges(bundle: Bundle, artifact: Artifact) -> dict[str, Any]:
    """The calibration of an INT8 artifact: ``pictures``, ``name``, ``digest`` and ``ranges`` (by tensor).

    Unless an earlier version built it also ``digests``, the sha256 of each picture's file; none of drawn ones.

    Raises:
        UserError: its file is missing, has another checksum, or does not fit the schema.
    """
    path = check_file(bundle, artifact.calibration, artifact.calibration_sha256)
    try:
        calibration: dict[str, Any] = json.loads(path.read_text("utf-8"))
        CALIBRATION(calibration, "the calibration")
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read ({error}).", "Build the bundle again with: e2erknn convert") from error
    return calibration
