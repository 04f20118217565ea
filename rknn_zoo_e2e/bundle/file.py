"""One file of a bundle: what it may be, wherever the bundle came from."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PureWindowsPath
from typing import Any

from rknn_zoo_e2e.bundle.onnxfile import refers_outside
from rknn_zoo_e2e.bundle.schema import LARGEST
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.checksum import sha256

AGAIN = "Copy the whole bundle again, or build it again with: e2erknn convert"
WHOLE = "Copy the bundle again, all of it; from the Hub: e2erknn pull OWNER/NAME --whole (a board gets a part)."
DO_NOT_USE = "Do not use it; ask whoever made it."


def leads_out(artifacts: Any) -> bool:
    """Whether a file is named that lies elsewhere."""
    entries = [a for a in artifacts if isinstance(a, dict)] if isinstance(artifacts, list) else []
    names = [a.get(key, "") for a in entries for key in ("file", "log", "calibration", "graph")]
    return any(isinstance(n, str) and (n in (".", "..") or PureWindowsPath(n).name != n) for n in names if n)


def check_kind(folder: Path, name: str) -> None:
    """Raises :class:`UserError` where a bundle's file is a link, or none that can be read to its end.

    The Hub's client keeps a repo as links into its own store of blobs; those may be.
    """
    path = folder / name
    try:
        mode = path.lstat().st_mode
    except OSError:
        return  # not there, or not readable: said where it is needed
    if stat.S_ISLNK(mode):
        store = next((p.parent / "blobs" for p in path.absolute().parents if p.name == "snapshots"), None)
        target = Path(os.path.normpath(path.absolute().parent / path.readlink()))
        if store is None or target.parent != store:
            raise UserError(f"{path} is a link, as no file of a bundle is.", DO_NOT_USE)
    elif not stat.S_ISREG(mode):
        raise UserError(f"{path} is not a regular file.", DO_NOT_USE)


def check_size(path: Path) -> None:
    """Raises :class:`UserError` where a file is larger than its like can be."""
    size, most = path.stat().st_size, LARGEST[path.suffix]
    if size > most:
        raise UserError(f"{path} has {size:,} bytes, more than {most:,}.", DO_NOT_USE)


def checked(path: Path, expected: str) -> Path:
    """A file of a bundle, if its checksum is the expected one and, of a graph, all of it is in there.

    Raises:
        UserError: it is missing, another, or refers to other files.
    """
    if not path.is_file():
        raise UserError(f"{path} is missing.", WHOLE)
    check_size(path)
    if sha256(path) != expected:
        raise UserError(f"{path} is not the file the bundle was made with (its checksum differs).", AGAIN)
    try:
        outside = path.suffix == ".onnx" and refers_outside(path)
    except ValueError as error:
        raise UserError(f"{path} cannot be used: {error}.", DO_NOT_USE) from error
    if outside:
        raise UserError(f"{path} refers to data in other files, as no graph of a bundle does.", DO_NOT_USE)
    return path
