"""Folders that are written whole or not at all, and what a failed write means."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rknn_zoo_e2e.errors import UserError

RENAME_EXCHANGE = 2
AT_FDCWD = -100


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A folder that becomes ``target`` if the block ends well, and leaves nothing if it does not.

    The old folder, if any, is there whole until the new one takes its place in one step.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise write_error(target.parent, error) from error
    try:
        os.chmod(stage, 0o755)
        yield stage
        exchange(stage, target)
    except OSError as error:
        raise write_error(target, error) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


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
    old = stage.with_name(stage.name + ".old")
    target.rename(old)
    stage.rename(target)
    old.rename(stage)
