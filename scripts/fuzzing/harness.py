"""One attempt in a process of its own, watched: how it ends, what it says, what it writes and where."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIMIT = 90.0  # seconds an attempt may take; the machine may be busy
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
CHANGES = frozenset({"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "os.truncate", "os.chmod"})
# Programs that libraries ask: Python's platform for a report, and matplotlib, which Ultralytics' validator imports.
ASKED = frozenset({"uname", "fc-list"})
STARTS = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "socket.connect"})
SIGNS = ("Traceback (most recent", "This is a bug in e2erknn")  # of an exception nobody expected
HERE = ("127.0.0.1", "::1")
CACHES = (".cache", ".config")  # what libraries keep in the home folder


@dataclass(frozen=True)
class Attempt:
    """Something to try.

    Attributes:
        run: the arguments of the command line, or what to call instead of it.
        inputs: how many bad inputs that are.
        secrets: what must stand in nothing that is printed, and in no file that is written or its name.
        serves: connections to this machine are part of it.
    """

    run: list[str] | Callable[[], None]
    inputs: int = 1
    secrets: tuple[str, ...] = ()
    serves: bool = False


@dataclass(frozen=True)
class Verdict:
    """How it ended.

    Attributes:
        kind, number: which attempt it was.
        refused: the user was told what is wrong; else the input was used in spite of it.
        faults: kinds of what must not happen -> what was seen of it.
    """

    kind: str
    number: int
    inputs: int
    refused: bool
    seconds: float
    faults: dict[str, str]


def judge(kind: str, number: int, make: Callable[[Path], Attempt], folder: Path) -> Verdict:
    """Makes an attempt in ``folder``, which is gone afterwards unless something was wrong with it."""
    places = {name: folder / name for name in ("in", "out", "home", "tmp")}
    for place in places.values():
        place.mkdir(parents=True)
    attempt = make(places["in"])
    before = listing(places["in"])
    start = time.monotonic()
    child = os.fork()
    if not child:
        _child(attempt, folder)
    status = _wait(child, start + LIMIT)
    seconds = time.monotonic() - start
    said = {name: (folder / name).read_text("utf-8", "replace") for name in ("stdout", "stderr", "outside")}
    faults: dict[str, str] = {}
    code = None if status is None else os.waitstatus_to_exitcode(status)
    if code is None:
        faults["hang"] = f"over {LIMIT:.0f} s"
    elif code < 0:
        faults["crash"] = signal.Signals(-code).name
    elif any(sign in said["stderr"] + said["stdout"] for sign in SIGNS) or code not in (0, 1, 2):
        faults["traceback"] = f"exit code {code}: {said['stderr'][-400:]}"
    elif code and not said["stderr"].strip():
        faults["silence"] = f"exit code {code} without a word"
    elif "--json" in (attempt.run if isinstance(attempt.run, list) else ()) and not _documents(code, said["stdout"]):
        faults["json"] = f"not one document: {said['stdout'][:200]!r}"
    if shown := [one for one in attempt.secrets if one in written(places["out"]) + said["stdout"] + said["stderr"]]:
        faults["secret"] = f"{', '.join(shown)} of {attempt.run}"
    if said["outside"]:
        faults["outside"] = said["outside"][:600]
    if (folder / "touched").exists() or listing(places["in"]) != before:
        faults["outside"] = "an input was changed, or its code has run"
    strays = [*map(str, places["tmp"].iterdir())]
    strays += [str(path) for path in places["home"].iterdir() if path.name not in CACHES]
    if strays:
        faults["outside"] = f"left: {', '.join(strays[:5])}"
    if half := [problem for path in sorted(places["out"].rglob("*")) if (problem := half_written(path))]:
        faults["half-written"] = "; ".join(half[:5])
    if not faults:
        shutil.rmtree(folder)
    return Verdict(kind, number, attempt.inputs, code != 0, seconds, faults)


def written(folder: Path) -> str:
    """Names of all files in a folder, and the content of its reports."""
    found = sorted(folder.rglob("*"))
    reports = (path.read_text("utf-8", "replace") for path in found if path.suffix == ".txt")
    return "\n".join([*map(str, found), *reports])


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """All that is in a folder, with times of change."""
    found = {}
    for path in folder.rglob("*"):
        facts = path.lstat()
        found[str(path)] = facts.st_size if path.is_file() else 0, facts.st_mtime_ns if path.is_file() else 0
    return found


def half_written(path: Path) -> str:
    """What is wrong with a file that was written, nothing if it is whole."""
    from PIL import Image

    from rknn_zoo_e2e.bundle.reader import read_bundle

    if path.name.startswith(".") or ".part" in path.name:
        return f"{path} was left"
    try:
        if path.name == "metadata.yaml":
            read_bundle(path.parent)
        elif path.suffix == ".jpg":
            with Image.open(path) as image:
                image.load()
        elif path.suffix == ".mp4" and not _plays(path):
            return f"{path} does not play"
    except Exception as error:  # whatever is wrong with it
        return f"{path}: {error}"
    return ""


def _plays(path: Path) -> bool:
    import cv2

    return cv2.VideoCapture(str(path)).read()[0]


def _documents(code: int, text: str) -> bool:
    """Whether stdout is one JSON document; none will do where the options themselves were wrong."""
    try:
        json.loads(text)
    except ValueError:
        return code == 2 and not text
    return True


def _wait(child: int, deadline: float) -> int | None:
    """How a child ended, None if it had to be ended."""
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status
        time.sleep(0.005)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _child(attempt: Attempt, folder: Path) -> None:
    """Never returns: the attempt, with its own home, streams and limits, and a record of what it does outside."""
    code: object = 70
    try:
        os.setsid()
        os.chdir(folder / "out")
        os.environ.update(HOME=str(folder / "home"), TMPDIR=str(folder / "tmp"))
        tempfile.tempdir = None  # it was looked up before
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for number, name in enumerate((Path(os.devnull), folder / "stdout", folder / "stderr")):
            os.dup2(os.open(name, NEW if number else os.O_RDONLY, 0o600), number)
        _watch(folder, attempt.serves)
        if callable(attempt.run):
            attempt.run()
        else:
            from rknn_zoo_e2e.cli.app import app

            sys.argv[1:] = attempt.run
            app()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


def _watch(folder: Path, serves: bool) -> None:
    """Notes in the file ``outside`` every program started, connection made, and change outside of ``folder``; with
    ``serves`` no connections to this machine."""
    record = os.open(folder / "outside", NEW, 0o600)
    allowed = (str(folder) + os.sep, "/dev/", "/proc/self/")

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if serves and event == "socket.connect" and args[1][0] in HERE:
            return
        if event == "subprocess.Popen" and args[0] in ASKED:
            return
        if event in STARTS:
            os.write(record, f"{event} {str(args)[:200]}\n".encode("utf-8", "replace"))
        elif event in CHANGES or (event == "open" and isinstance(args[2], int) and args[2] & WRITING):
            for path in args[: 2 if event in ("os.rename", "os.link") else 1]:
                if isinstance(path, (str, bytes, os.PathLike)):
                    place = os.path.abspath(os.fsdecode(path))
                    if not place.startswith(allowed):
                        os.write(record, f"{event} {place}\n".encode("utf-8", "replace"))

    sys.addaudithook(hook)
