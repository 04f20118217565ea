"""The one lock of this package: one process, and one thread of it, changes a bundle or fetches a file at a time.

It is the kernel's ``flock`` on a file that exists only while the lock is held. The filelock package would not do:
it leaves its file behind, refuses a file that belongs to another user, and cannot tell who holds the lock. Windows has
no ``flock``: what changes a bundle there says that it is not locked, and goes on. Nothing is built there.
"""

from __future__ import annotations

import contextlib
import errno
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

POLL_SECONDS = 0.2  # between two tries to get a lock that another process holds


@contextmanager
def locked(
    target: Path, doing: str, say: Callable[[str], None], name: str = "", check: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Keeps other processes from changing the folder ``target`` during the block; waits until none of them does.

    Called by whatever writes a bundle: convert, pull, eval, analyze, report and publish. What processes that were
    killed left half-written beside ``target`` is removed.

    Args:
        target: a folder; it need not exist.
        doing: the command that changes it, which other processes show while they wait.
        say: called once if there is something to wait for, or if there are no locks here.
        name: what is being changed, for that message; the folder's name by default.
        check: called before each try to get the lock; an exception it raises ends the wait.

    Raises:
        UserError: nothing can be written beside ``target``.
    """
    target = linked(target)
    name = name or target.name

    def wait_for(holder: str) -> None:
        say(f"Waiting for {holder}, which is changing {name} ...")

    def no_locks(error: OSError) -> None:
        say(f"{target.parent} has no locks ({error.strerror}): let no other e2erknn change {name} meanwhile.")

    with ExitStack() as stack:
        try:
            stack.enter_context(made_folder(target.parent))
            lock = exclusive(target.parent / f".{target.name}.lock", doing, wait_for, no_locks, check)
            if stack.enter_context(lock):
                remove_stale(target)
        except OSError as error:
            raise write_error(target.parent, error) from error
        yield


@contextmanager
def exclusive(
    path: Path,
    doing: str,
    wait_for: Callable[[str], None],
    no_locks: Callable[[OSError], None],
    check: Callable[[], None] = lambda: None,
) -> Iterator[bool]:
    """Holds the lock whose file is ``path`` during the block; yields whether there is one.

    The kernel ends the lock with its process, however that ends. A process forked meanwhile neither keeps nor ends it.

    Args:
        doing: the command that holds it, written into the file.
        wait_for: called once, with the holder in words, if another process or thread has the lock.
        no_locks: called if this system or file system has no locks.
        check: called before each try; an exception it raises ends the wait.

    Raises:
        OSError: the file cannot be made.
    """
    descriptor = _acquire(path, doing, wait_for, no_locks, check)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            _release(path, descriptor)


def _acquire(
    path: Path,
    doing: str,
    wait_for: Callable[[str], None],
    no_locks: Callable[[OSError], None],
    check: Callable[[], None],
) -> int | None:
    """The descriptor that holds the lock, None where there are no locks."""
    if fcntl is None:
        no_locks(OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)))
        return None
    told = False
    while True:
        check()
        descriptor = _open(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(path, descriptor):
                hold(descriptor)
                with contextlib.suppress(OSError):  # the disk is full, or it is another user's file
                    os.ftruncate(descriptor, 0)
                    os.pwrite(descriptor, f"{os.getpid()} {doing}".encode(), 0)
                return descriptor
        except BlockingIOError:
            if not told:
                wait_for(_holder(descriptor))
                told = True
        except OSError as error:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            no_locks(error)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if told:
            time.sleep(POLL_SECONDS)


def _holder(descriptor: int) -> str:
    """Who has the lock, in words. What the file says is shown only if it has the form this module writes."""
    written = re.fullmatch(r"(\d+) ([a-z]+)", os.pread(descriptor, 40, 0).decode(errors="replace"))
    return f"e2erknn {written[2]} (process {written[1]})" if written else "another e2erknn"


def _release(path: Path, descriptor: int) -> None:
    if not is_held(descriptor):
        return
    with contextlib.suppress(OSError):
        path.unlink()  # before the lock ends: a process that waits for it sees that the file is gone, and makes another
    let_go(descriptor)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except FileNotFoundError:  # another process has just removed the folder, which was empty
        path.parent.mkdir(parents=True, exist_ok=True)
        return _open(path)
    except PermissionError:
        if not path.exists():
            raise
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)  # another user's file can be locked without writing it


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether the locked file is still the one at ``path``: its last holder may have removed it meanwhile."""
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(descriptor))
    except FileNotFoundError:
        return False
