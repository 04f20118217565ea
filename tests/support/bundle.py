"""A small bundle on disk."""

from __future__ import annotations

from pathlib import Path

from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.bundle.writer import write_bundle
from rknn_zoo_e2e.files.checksum import sha256
from rknn_zoo_e2e.tasks.spec import ModelSpec


def made(folder: Path, content: bytes = b"model", **spec) -> Bundle:
    """A small bundle on disk."""
    facts = {"name": "x", "task": "detect", "names": ("a", "größe: #1", "no"), "imgsz": (64, 96)} | spec
    bundle = Bundle(
        folder / "x_rknn_model", ModelSpec(**facts), "flat", "a" * 64, "b" * 64, origin={"license": "AGPL-3.0"}
    )
    file = folder / "source.rknn"
    file.write_bytes(content)
    bundle.artifacts = [Artifact("rk3566", "int8", "x.rknn", sha256(file), len(content), "2.3.2", "f")]
    write_bundle(bundle, {"x.rknn": file, "model.onnx": b"onnx"})
    return bundle
