"""File descriptors that say "this process lives": a process forked from it lets go of its copies at once.

A lock, or a pipe whose other end somebody watches, stays as it is for as long as *any* process has it open. What is
executed anew does not inherit ours; but a program that uses this package may fork (``multiprocessing``, ``os.fork``),
and its child may outlive it by hours.
"""

from __future__ import annotations

import contextlib
import os

_held: set[int] = set()


def hold(descriptor: int) -> int:
    """Has forked processes close their copy of a descriptor, which is returned."""
    _held.add(descriptor)
    return descriptor


def is_held(descriptor: int) -> bool:
    """Whether it is still ours: not in a process that was forked meanwhile."""
    return descriptor in _held


def let_go(descriptor: int) -> None:
    """Closes a held descriptor; in a forked process, where that is done, nothing."""
    if is_held(descriptor):
        _held.discard(descriptor)  # before its number can become another file's
        os.close(descriptor)


def _forked() -> None:
    for descriptor in _held:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_forked)
