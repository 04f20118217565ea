"""One process at a time changes a bundle."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rknn_zoo_e2e.files.staging import linked, made_folder, remove_stale, write_error
from rknn_zoo_e2e.isolation.ownership import hold, is_held, let_go

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

NAP = 0.2  # seconds


@contextmanager
def locked(
    target: Path, doing: str, say: Callable[[str], None], name: str = "", check: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Waits until no other process changes ``target``, and keeps them off for the length of the block.

    The lock is the kernel's, on a file beside ``target`` that is there only as long as it is held: it ends with its
    process, however that ends. What dead processes left half-written beside ``target`` is removed.

    Args:
        target: a folder; it need not exist.
        doing: the command that changes it, which is what others are told they wait for.
        say: told, once, that there is something to wait for, or that this file system has no locks.
        name: what is being changed, for that line.
        check: called while there is something to wait for; what it raises ends the wait.

    Raises:
        UserError: nothing can be written beside ``target``.
    """
    target = linked(target)
    path = target.parent / f".{target.name}.lock"
    with ExitStack() as stack:
        try:
            stack.enter_context(made_folder(target.parent))
            descriptor = _acquire(path, doing, say, name or target.name, check)
            if descriptor is not None:
                stack.callback(_release, path, descriptor)
                remove_stale(target)
        except OSError as error:
            raise write_error(target.parent, error) from error
        yield


def _acquire(path: Path, doing: str, say: Callable[[str], None], name: str, check: Callable[[], None]) -> int | None:
    """The descriptor that holds the lock, None where there are no locks."""
    if fcntl is None:
        return None
    told = False
    while True:
        check()
        descriptor = _open(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(path, descriptor):
                hold(descriptor)
                with contextlib.suppress(OSError):  # no room even for a number, or another user's file
                    os.ftruncate(descriptor, 0)
                    os.pwrite(descriptor, f"{os.getpid()} {doing}".encode(), 0)
                return descriptor
        except BlockingIOError:
            if not told:
                say(f"Waiting for {_holder(descriptor)}, which is changing {name} ...")
                told = True
        except OSError as error:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            say(f"{path.parent} has no locks ({error.strerror}): let no other e2erknn change {name} meanwhile.")
            return None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if told:
            time.sleep(NAP)


def _holder(descriptor: int) -> str:
    """Who has the lock, in words."""
    said = re.fullmatch(r"(\d+) ([a-z]+)", os.pread(descriptor, 40, 0).decode(errors="replace"))
    return f"e2erknn {said[2]} (process {said[1]})" if said else "another e2erknn"


def _release(path: Path, descriptor: int) -> None:
    if not is_held(descriptor):
        return
    with contextlib.suppress(OSError):
        path.unlink()  # while it is ours: whoever waits for it sees that it is gone, and makes another
    let_go(descriptor)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except FileNotFoundError:  # whoever made the folder has just found it empty and removed it
        path.parent.mkdir(parents=True, exist_ok=True)
        return _open(path)
    except PermissionError:
        if not path.exists():
            raise
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)  # another user's: it can be locked all the same


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether the file that was locked is the one others find there."""
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(descriptor))
    except FileNotFoundError:
        return False
