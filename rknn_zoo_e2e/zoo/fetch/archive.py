"""Unpacks the pictures of a zip archive that is not trusted."""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.vision.image import SUFFIXES

MAX_UNPACKED_BYTES = 1 << 30  # of all pictures of an archive


def unpack_pictures(archive: Path, target: Path) -> Path:
    """The pictures of an archive in the folder ``target``, which appears when all are there. The archive is deleted.

    Raises:
        UserError: it is no zip, is damaged, holds no picture, too much, or a path that leaves the folder.
    """
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
        staged = Path(folder) / target.name
        staged.mkdir()
        try:
            with zipfile.ZipFile(archive) as file:
                for member in _pictures(file):
                    file.extract(member, staged)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, _Hostile) as error:
            raise UserError(
                f"{archive.name} was not unpacked: {str(error) or 'it is damaged'}.",
                f"Fetch it again with: e2erknn fetch {target.name}, or give pictures of your own with --calib.",
            ) from error
        finally:
            archive.unlink()
        shutil.rmtree(target, ignore_errors=True)
        staged.rename(target)
    return target


class _Hostile(Exception):
    """The archive holds what a set of pictures does not."""


def _pictures(file: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The members that are pictures. Every member is checked: one that leaves the folder makes the archive refused."""
    found = []
    for member in file.infolist():
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            raise _Hostile(f"it holds the path {member.filename!r}, which leaves its folder")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise _Hostile(f"it holds the link {member.filename!r}")
        if not member.is_dir() and path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            found.append(member)
    if not found:
        raise _Hostile("it holds no pictures")
    if sum(member.file_size for member in found) > MAX_UNPACKED_BYTES:
        raise _Hostile(f"it would unpack to more than {MAX_UNPACKED_BYTES >> 20} MB")
    return found
