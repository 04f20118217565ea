"""Writes folders and files whole or not at all, and says in the user's words why a write failed."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rknn_zoo_e2e.errors import UserError

RENAME_EXCHANGE, AT_FDCWD = 2, -100  # Linux: linux/fs.h and fcntl.h, for renameat2
OLD_SUFFIX = ".old"  # of a folder that is being replaced, where that takes two steps
FOLDER = "another folder with -o"
MAX_NAME_BYTES = 255  # of a file's name, on all common file systems


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A new folder that takes the place of ``target`` when the block ends, and is removed if the block raises.

    Until then an old folder stays as it is; it is replaced in one step. Used for every write of a bundle.

    Raises:
        UserError: nothing can be written there.
    """
    target = linked(target)
    try:
        with made_folder(target.parent):
            stage = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
            try:
                os.chmod(stage, 0o755)
                yield stage
                exchange(stage, target)
            finally:
                shutil.rmtree(stage, ignore_errors=True)
    except OSError as error:
        raise write_error(target, error) from error


def linked(target: Path) -> Path:
    """The folder a link leads to, which is what gets replaced; ``target`` itself where it is no link."""
    return Path(os.path.realpath(target)) if target.is_symlink() else target


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Makes a folder and its parents for the block; those it made that are empty afterwards are removed again."""
    absent = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for path in absent:
            with contextlib.suppress(OSError):  # not empty
                path.rmdir()


def remove_stale(target: Path) -> None:
    """Removes the staging folders of ``target`` that killed processes left. To be called with its lock held."""
    stage_name = re.compile(re.escape(f".{target.name}.") + r"[a-z0-9_]{8}(\.old)?")
    for path in [path for path in target.parent.iterdir() if stage_name.fullmatch(path.name)]:
        if path.suffix == OLD_SUFFIX and not target.exists():
            path.rename(target)  # a process was killed between the two steps of exchange()
        else:
            shutil.rmtree(path, ignore_errors=True)


def check_name(target: Path) -> None:
    """Raises :class:`UserError` if ``target``'s name is not UTF-8, or too long once a staging suffix is added to it."""
    try:
        target.name.encode()
    except UnicodeEncodeError:
        raise UserError(
            f"The name {os.fsencode(target.name)!r} is no text in UTF-8, or this locale has only ASCII.",
            "Rename the checkpoint in ASCII, or set LC_ALL=C.UTF-8.",
        ) from None
    left = MAX_NAME_BYTES - len(os.fsencode(f".{target.name}.12345678{OLD_SUFFIX}"))
    if left < 0:
        raise UserError(
            f"{target.name[:40]}... is {-left} bytes too long for a file's name.",
            "Rename the checkpoint: letters outside ASCII count two to four bytes.",
        )


def write_file(path: Path, content: bytes | memoryview, instead: str = FOLDER) -> None:
    """Writes a file, in place of one that is there; whole or not at all.

    Raises:
        UserError: it cannot be written; ``instead`` is as of :func:`write_error`.
    """
    part = part_of(path)
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        raise write_error(path, error, instead) from error
    finally:
        part.unlink(missing_ok=True)


def part_of(path: Path) -> Path:
    """Where a file is written before it takes its place: hidden beside it, under a name that is never too long."""
    return path.with_name(f".{zlib.crc32(os.fsencode(path.name)):08x}.part{path.suffix}")


def write_error(path: Path, error: OSError, instead: str = FOLDER) -> UserError:
    """The error to show for a failed write to ``path``; ``instead`` says what to give in its place, after "give"."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(f"No space left to write {path}.", f"Free some space, or give {instead}.")
    return UserError(f"{path} cannot be written ({error.strerror or error}).", f"Give {instead}.")


def exchange(stage: Path, target: Path) -> None:
    """Swaps two folders, on Linux in one step: ``stage`` becomes ``target``, an old ``target`` becomes ``stage``."""
    if not target.exists():
        stage.rename(target)
        return
    # Not Linux (on Windows CDLL wants a name, hence TypeError), or not possible on this file system.
    with contextlib.suppress(AttributeError, OSError, TypeError):
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
        if renameat2(AT_FDCWD, os.fsencode(stage), AT_FDCWD, os.fsencode(target), RENAME_EXCHANGE) == 0:
            return
    old = stage.with_name(stage.name + OLD_SUFFIX)
    target.rename(old)
    stage.rename(target)
    old.rename(stage)
