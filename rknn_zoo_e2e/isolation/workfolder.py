"""Folders for work files: private, gone when they are no longer needed, even if whoever made them was killed."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.isolation.ownership import hold, let_go

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PREFIX = "e2erknn-work-"
NEW = ".e2erknn-new-"  # not locked yet, so not to be taken for one whose process died
OURS = re.compile(rf"{PREFIX}[a-z0-9_]{{8}}")
TMPDIR_ADVICE = "Free some space, or set TMPDIR to a folder on a disk that has more."


@contextmanager
def work_folder() -> Iterator[Path]:
    """A folder in TMPDIR for the length of the block. Those of processes that were killed are removed first.

    Raises:
        UserError: it cannot be made.
    """
    try:
        place = Path(tempfile.gettempdir()).absolute()
        remove_stale(place)
        folder = Path(tempfile.mkdtemp(prefix=NEW, dir=place))
    except OSError as error:
        raise UserError(f"No folder for work files can be made ({error.strerror or error}).", TMPDIR_ADVICE) from error
    lock, owner = None, os.getpid()
    try:
        with contextlib.suppress(OSError):  # without locks it stays what nobody takes for a dead one's
            lock = lock_folder(folder)
            if lock is not None:
                hold(lock)
                folder = folder.rename(place / (PREFIX + folder.name.removeprefix(NEW)))
        yield folder
    finally:
        if os.getpid() == owner:  # a process forked from it that ends takes nothing away
            shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            let_go(lock)


def lock_folder(folder: Path) -> int | None:
    """Locks a folder for as long as the file descriptor is open; the kernel lets go of it when its process dies.

    Returns:
        The descriptor; None if another process holds it, or there are no locks here.

    Raises:
        OSError: it is gone, or cannot be locked.
    """
    if fcntl is None:
        return None
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def remove_stale(place: Path) -> None:
    """Removes this user's work folders that no living process holds; without locks nobody can tell, and all stay."""
    if fcntl is None:
        return
    for folder in place.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if OURS.fullmatch(folder.name) and folder.lstat().st_uid == os.geteuid():
                lock = lock_folder(folder)
                if lock is not None:
                    shutil.rmtree(folder, ignore_errors=True)
                    os.close(lock)
