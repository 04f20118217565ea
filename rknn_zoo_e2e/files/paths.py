"""Paths as people type them. Imports nothing heavy: the Python API and every command use it."""

from __future__ import annotations

import os
from pathlib import Path

from rknn_zoo_e2e.errors import UsageError


def user_path(given: object, option: str) -> Path:
    """A path as a user typed it, with a leading ``~`` replaced by the home folder.

    A shell does not replace it in ``--calib=~/pictures`` or in quotes, and Python's callers have no shell.

    Args:
        option: whose value it is, for messages.

    Raises:
        UsageError: it is no path, or empty (as an unset variable of a shell is).
    """
    if not isinstance(given, (str, os.PathLike)) or isinstance(given, bytes) or not os.fspath(given):
        raise UsageError(f"{option} {given!r} is not a path.", f"Give one, such as {option} pictures.")
    if "://" in str(given):
        raise UsageError(
            f"{option} {given} is an address, not a path.", "Download what it leads to, and give its path."
        )
    path = Path(given)
    try:
        return path.expanduser()
    except RuntimeError:  # there is no such user: a file may have that name
        return path


def expanded(given: str | os.PathLike[str]) -> str:
    """Replaces a leading ``~`` in what may also be a model's name or an address: with a ``~`` it can only be a path."""
    text = os.fspath(given) if isinstance(given, os.PathLike) else str(given)
    return os.path.expanduser(text) if text.startswith("~") else text
