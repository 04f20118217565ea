"""Checks of a bundle's single files, used by the reader before it hands a path to anybody.

A bundle may come from anywhere: its files must be regular files inside its folder, of a plausible size, and the ones
the metadata was written for.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path, PureWindowsPath
from typing import Any

from rknn_zoo_e2e.bundle.onnx_references import refers_outside
from rknn_zoo_e2e.bundle.schema import LARGEST
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.checksum import sha256

COPY_OR_BUILD_AGAIN = "Copy the whole bundle again, or build it again with: e2erknn convert"
COPY_ALL_AGAIN = (
    "Copy the bundle again, all of it; from the Hub: e2erknn pull OWNER/NAME --whole (a board gets a part)."
)
DO_NOT_USE = "Do not use it; ask whoever made it."


def names_outside_files(artifacts: Any) -> bool:
    """Whether unchecked metadata names a file that is not directly in the bundle's folder (a path, or a drive)."""
    entries = [a for a in artifacts if isinstance(a, dict)] if isinstance(artifacts, list) else []
    names = [a.get(key, "") for a in entries for key in ("file", "log", "calibration", "graph")]
    return any(isinstance(n, str) and (n in (".", "..") or PureWindowsPath(n).name != n) for n in names if n)


def check_kind(folder: Path, name: str) -> None:
    """Raises :class:`UserError` where a bundle's file is a link, or a device or pipe, whose reading may never end.

    Allowed are the links by which the Hub's client keeps a repo: from its ``snapshots`` into its ``blobs``.
    """
    path = folder / name
    try:
        mode = path.lstat().st_mode
    except OSError:
        return  # missing or not readable: reported by whoever needs it
    if stat.S_ISLNK(mode):
        store = next((p.parent / "blobs" for p in path.absolute().parents if p.name == "snapshots"), None)
        target = Path(os.path.normpath(path.absolute().parent / path.readlink()))
        if store is None or target.parent != store:
            raise UserError(f"{path} is a link, as no file of a bundle is.", DO_NOT_USE)
    elif not stat.S_ISREG(mode):
        raise UserError(f"{path} is not a regular file.", DO_NOT_USE)


def check_size(path: Path) -> None:
    """Raises :class:`UserError` where a file is larger than :data:`LARGEST` of its suffix."""
    size, most = path.stat().st_size, LARGEST[path.suffix]
    if size > most:
        raise UserError(f"{path} has {size:,} bytes, more than {most:,}.", DO_NOT_USE)


def check_content(path: Path, expected: str) -> Path:
    """Returns ``path`` if its SHA-256 is the expected one and, for an ONNX graph, its weights are inside the file.

    Raises:
        UserError: it is missing, too large, has another checksum, or refers to other files.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing.", COPY_ALL_AGAIN)
    check_size(path)
    if sha256(path) != expected:
        raise UserError(f"{path} is not the file the bundle was made with (its checksum differs).", COPY_OR_BUILD_AGAIN)
    try:
        outside = path.suffix == ".onnx" and refers_outside(path)
    except ValueError as error:
        raise UserError(f"{path} cannot be used: {error}.", DO_NOT_USE) from error
    if outside:
        raise UserError(f"{path} refers to data in other files, as no graph of a bundle does.", DO_NOT_USE)
    return path
