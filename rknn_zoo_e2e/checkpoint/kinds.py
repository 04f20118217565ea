"""Recognises files that are no checkpoints by their first bytes or by the names in a zip, and says what to do."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rknn_zoo_e2e.files.validation import shown

BYTES_READ = 512  # of the beginning of a file
DOWNLOAD_AGAIN = "Download or copy it again."
GIVE_BUNDLE = "Give the folder of its bundle, or the .pt it was made from."
GIVE_ORIGINAL = "Give the .pt it was exported from."
GIVE_ULTRALYTICS = "Give a .pt saved by Ultralytics."
SAVE_WHOLE_MODEL = 'Load them into their model in Python and save that: model.save("best.pt").'
UNPACK = "Unpack it, and give the .pt that is in it."


@dataclass(frozen=True)
class Kind:
    """What a file is (it goes on from the file's name, without a full stop), and what to do about it (a sentence)."""

    what: str
    fix: str


FIRST_BYTES: tuple[tuple[str, Kind], ...] = (
    (r"\s*<(!doctype html|html|head|body)", Kind("is a web page, not a model: the download got that in its place",
        "Download it again from the address of the file itself.")),
    (r"version https://git-lfs", Kind("is a pointer of Git LFS, not the file itself", "Fetch it with: git lfs pull")),
    (r"\s*\{", Kind("is a JSON text, not a model", DOWNLOAD_AGAIN)),
    (r"\s*<\?xml", Kind("is an XML file, such as an OpenVINO model, not a checkpoint", GIVE_ORIGINAL)),
    (r"RKNN", Kind("is a built RKNN model, not a checkpoint", GIVE_BUNDLE)),
    (r"\x08[\x01-\x20][\x12\x1a\x22\x28\x32\x3a\x42]",
        Kind("is an ONNX or other protobuf model, not a checkpoint", GIVE_ORIGINAL)),
    (r"(p|f)trt|.{4}\{\"", Kind("is a TensorRT engine, not a checkpoint", GIVE_ORIGINAL)),
    (r".{8}\{\"", Kind("holds weights without layers (safetensors)", SAVE_WHOLE_MODEL)),
    (r"GGUF", Kind("holds weights without layers (GGUF)", SAVE_WHOLE_MODEL)),
    (r".{4}TFL3", Kind("is a TFLite model, not a checkpoint", GIVE_ORIGINAL)),
    (r".{4}ET\d\d", Kind("is an ExecuTorch program, not a checkpoint", GIVE_ORIGINAL)),
    (r".{4}MNN|7767517", Kind("is an exported model, not a checkpoint", GIVE_ORIGINAL)),
    (r"\x89HDF", Kind("is an HDF5 file, such as a Keras model, not a checkpoint", GIVE_ULTRALYTICS)),
    (r"\x00{4}[\x01\x02]\x00{3}[\x00-\x05]\x00{3}", Kind("holds weights of Darknet", GIVE_ULTRALYTICS)),
    (r"\x1f\x8b|7z\xbc\xaf|Rar!|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd", Kind("is a packed archive, not a checkpoint", UNPACK)),
    (r".{257}ustar", Kind("is a tar archive, not a checkpoint", UNPACK)),
    (r"\xff\xd8\xff|\x89PNG|GIF8|BM.{4}\x00{4}|RIFF.{4}WEBP|II\*\x00|MM\x00\*",
        Kind("is a picture, not a model", GIVE_ULTRALYTICS)),
    (r".{4}ftyp|RIFF.{4}AVI |\x1a\x45\xdf\xa3", Kind("is a video, not a model", GIVE_ULTRALYTICS)),
    (r"%PDF", Kind("is a PDF, not a model", GIVE_ULTRALYTICS)),
    (r"\x7fELF|MZ", Kind("is a program, not a model", GIVE_ULTRALYTICS)),
    (r"\x93NUMPY", Kind("holds an array of NumPy, not a model", GIVE_ULTRALYTICS)),
)  # fmt: skip
PATTERNS = tuple((re.compile(p.encode("latin1"), re.DOTALL | re.IGNORECASE), kind) for p, kind in FIRST_BYTES)
ZIP = b"PK\x03\x04"
# Of a zip: a member of this name tells what it is.
MEMBERS: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(r".*/constants\.pkl"),
        Kind("is a TorchScript archive, an exported model, not a checkpoint", GIVE_ORIGINAL)),
    (re.compile(r"(.*/)?(archive_format|serialized_exported_program\.json|models/model\.json)"),
        Kind("is a program of torch.export, not a checkpoint", GIVE_ORIGINAL)),
    (re.compile(r"(.*/)?(model\.weights\.h5|saved_model\.pb|keras_metadata\.pb)"),
        Kind("is a Keras or TensorFlow model, not a checkpoint", GIVE_ULTRALYTICS)),
    (re.compile(r".*\.mlmodel"), Kind("is a Core ML model, not a checkpoint", GIVE_ORIGINAL)),
    (re.compile(r"(.*/)?openvino.*|.*\.(onnx|xml|tflite|engine)"),
        Kind("is a zip archive of an exported model, not a checkpoint", GIVE_ORIGINAL)),
)  # fmt: skip


def kind_of(path: Path) -> Kind | None:
    """What the file is; None if it may be a checkpoint, or anything else."""
    with path.open("rb") as file:
        first = file.read(BYTES_READ)
    if not first:
        return Kind("is empty", DOWNLOAD_AGAIN)
    if first.startswith(ZIP):
        if not zipfile.is_zipfile(path):
            return Kind("is cut off: its end is missing", DOWNLOAD_AGAIN)
        with zipfile.ZipFile(path) as archive:
            return zip_kind(archive.namelist())
    return next((kind for pattern, kind in PATTERNS if pattern.match(first)), None)


def zip_kind(members: Iterable[str]) -> Kind | None:
    """What a zip of these members is; None for an archive of torch."""
    names = sorted(members)
    for pattern, kind in MEMBERS:
        if any(map(pattern.fullmatch, names)):
            return kind
    if any(name.endswith("data.pkl") for name in names):
        return None
    models = [name for name in names if name.endswith((".pt", ".pth"))]
    if models:
        return Kind(f"is a zip archive that holds {shown(os.path.basename(models[0]))}, not a checkpoint", UNPACK)
    return Kind(f"is a zip archive of {len(names)} files, none of them a checkpoint", GIVE_ULTRALYTICS)
