"""Folders that are written whole or not at all, and what a failed write means."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rknn_zoo_e2e.errors import UserError

RENAME_EXCHANGE = 2
AT_FDCWD = -100
OLD_SUFFIX = ".old"
MAX_NAME_BYTES = 255  # bytes


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A folder that becomes ``target`` if the block ends well, and leaves nothing if it does not.

    The old folder, if any, is there whole until the new one takes its place in one step.
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
    """Where a link leads to: that is what changes, not the link. Anything else is itself."""
    return Path(os.path.realpath(target)) if target.is_symlink() else target


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Makes a folder with its parents; those that are still empty when the block ends are gone again."""
    absent = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for one in absent:
            with contextlib.suppress(OSError):  # not empty
                one.rmdir()


def remove_stale(target: Path) -> None:
    """Removes what killed processes left of their stages of ``target``. Only for whoever alone may write it."""
    ours = re.compile(re.escape(f".{target.name}.") + r"[a-z0-9_]{8}(\.old)?")
    for path in [path for path in target.parent.iterdir() if ours.fullmatch(path.name)]:
        if path.suffix == OLD_SUFFIX and not target.exists():
            path.rename(target)  # it died between the two steps of an exchange
        else:
            shutil.rmtree(path, ignore_errors=True)


def check_name(target: Path) -> None:
    """Raises :class:`UserError` where the names made of ``target``'s are too long for file systems, or no text."""
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


def write_error(path: Path, error: OSError) -> UserError:
    """What a failed write means to the user."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(f"No space left to write {path}.", "Free some space, or give another folder with -o.")
    return UserError(f"{path} cannot be written ({error.strerror or error}).", "Give another folder with -o.")


def exchange(stage: Path, target: Path) -> None:
    """Puts ``stage`` in ``target``'s place, and the old content, if any, in ``stage``'s."""
    if not target.exists():
        stage.rename(target)
        return
    with contextlib.suppress(AttributeError, OSError):  # not Linux, or a file system without it
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
        if renameat2(AT_FDCWD, os.fsencode(stage), AT_FDCWD, os.fsencode(target), RENAME_EXCHANGE) == 0:
            return
    old = stage.with_name(stage.name + OLD_SUFFIX)
    target.rename(old)
    stage.rename(target)
    old.rename(stage)
