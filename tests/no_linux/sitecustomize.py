"""Makes Python what it is on Windows and macOS, as far as that can be had on Linux: no ``fcntl``, no ``/proc``.

For any process that has this folder in PYTHONPATH; no product code knows of it. What native libraries do themselves
stays as it is.
"""

from __future__ import annotations

import functools
import os
import signal
import socket
import sys

ABSENT_MODULES = ("fcntl", "grp", "pwd", "resource", "termios")
ABSENT_FOLDERS = ("/proc", "/sys", "/dev/dri", "/dev/shm")
ABSENT = {  # what Windows lacks of modules that it has, as far as this Python itself runs without it
    os: (
        "O_DIRECTORY", "O_NOFOLLOW", "fork", "forkpty", "geteuid", "getpgrp", "getuid", "killpg", "mkfifo",
        "pread", "pwrite", "register_at_fork", "sched_getaffinity", "setsid", "sysconf",
    ),
    signal: ("SIGHUP", "SIGKILL", "SIGPIPE", "SIGUSR1", "pthread_sigmask", "set_wakeup_fd"),
    socket: ("AF_UNIX",),
}  # fmt: skip


class NoSuchModule:
    """First to be asked for a module."""

    def find_spec(self, name, path=None, target=None):
        if name in ABSENT_MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def check(path: object) -> None:
    """Raises FileNotFoundError for whatever lies in a folder that is not there."""
    if isinstance(path, (str, bytes, os.PathLike)):
        name = os.fsdecode(path)
        if any(name == folder or name.startswith(f"{folder}/") for folder in ABSENT_FOLDERS):
            raise FileNotFoundError(2, "No such file or directory", name)


def audit(event: str, arguments: tuple[object, ...]) -> None:
    """Called for every file or folder that Python opens."""
    if event in ("open", "os.listdir", "os.scandir"):
        check(arguments[0])


def checked(function):
    @functools.wraps(function)
    def wrapper(path, *args, **kwargs):
        check(path)
        return function(path, *args, **kwargs)

    return wrapper


for name in ABSENT_MODULES:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, NoSuchModule())
sys.addaudithook(audit)
for name in ("stat", "lstat", "readlink"):
    setattr(os, name, checked(getattr(os, name)))
for module, names in ABSENT.items():
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
