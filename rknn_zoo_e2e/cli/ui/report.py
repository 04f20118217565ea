"""The report of a run that ``--debug`` writes: what an issue needs, without tokens, paths and names of the machine."""

from __future__ import annotations

import contextlib
import os
import platform
import shlex
import shutil
import sys
import sysconfig
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rknn_zoo_e2e.boards.environment import version_of
from rknn_zoo_e2e.cli.ui.output import masked
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.hub.privacy import without_secrets, without_traces

PACKAGES = (
    "rknn-zoo-e2e", "rknn-toolkit2", "rknn-toolkit-lite2", "torch", "torchvision", "ultralytics", "onnx", "onnxruntime",
    "numpy", "opencv-python-headless", "opencv-python", "pillow", "protobuf", "setuptools", "huggingface_hub", "typer",
    "rich", "pyyaml", "distributed",
)  # fmt: skip
VARIABLES = (
    "E2ERKNN_WEIGHTS", "E2ERKNN_RELEASES", "HF_ENDPOINT", "HF_HOME", "HF_HUB_OFFLINE", "HF_TOKEN", "HTTPS_PROXY",
    "XDG_CACHE_HOME", "TMPDIR", "PYTHONPATH", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
)  # fmt: skip
INTRODUCTION = """e2erknn report
Without tokens and paths of this machine, and without its and its user's name in paths and addresses, but for those on
the command line.
Read it, then attach it to an issue."""


@dataclass(frozen=True)
class Run:
    """A command that is over.

    Attributes:
        options: as understood.
        error: what ended it, None if nothing did.
        history: the progress, notes and errors that went to stderr.
    """

    options: Mapping[str, Any]
    exit_code: int
    error: BaseException | None
    history: Iterable[str] = ()


def command(run: Run) -> str:
    """As it was typed, and what each option came to be."""
    values = [f"{name} = {value if isinstance(value, Path) else repr(value)}" for name, value in run.options.items()]
    words = [masked(word) for word in sys.argv[1:]]  # each on its own, before quotes are put in
    return "\n".join([shlex.join(["e2erknn", *words]), *values, f"exit code: {run.exit_code}"])


def messages(run: Run) -> str:
    """What the user was told, by the second."""
    return "\n".join(run.history)


def versions(run: Run) -> str:
    """Python, the system and the packages."""
    found = [f"{name} {version_of(name) or '-'}" for name in PACKAGES]
    return "\n".join([f"Python {platform.python_version()}", platform.platform(), *found])


def machine(run: Run) -> str:
    """What there is to work with, and what ``doctor`` thinks of it."""
    # Imported here: where a package they need is broken, the other sections are written all the same.
    from rknn_zoo_e2e.boards.environment import read_host
    from rknn_zoo_e2e.boards.probe import read_board
    from rknn_zoo_e2e.runtime.doctor import examine

    findings = examine(read_host(), read_board())
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    return "\n".join(
        [f"{os.cpu_count()} processors, {free:.1f} GB free in the working folder"]
        + [f"{finding.state:4} {finding.name}: {finding.what}" for finding in findings]
    )


def environment(run: Run) -> str:
    """The variables that change what is done."""
    return "\n".join(
        f"{name}={'(set)' if 'TOKEN' in name else os.environ[name]}" for name in VARIABLES if name in os.environ
    )


def stack(run: Run) -> str:
    """Where it happened; files of Python and its packages by their place there."""
    if run.error is None:
        return ""
    text = "".join(traceback.format_exception(run.error))
    places = {Path(__file__).parents[3], *(sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib"))}
    for place in sorted(map(str, places), key=len, reverse=True):
        text = text.replace(f"{place}{os.sep}", "")
    return text


def vendor(run: Run) -> str:
    """What the toolkit, or whatever else failed, had to say."""
    return run.error.detail if isinstance(run.error, UserError) else ""


SECTIONS: tuple[tuple[str, Callable[[Run], str], Callable[[str], str]], ...] = (
    ("Command", command, without_secrets),  # what was typed may stand here
    ("Messages", messages, without_traces),
    ("Versions", versions, without_traces),
    ("Machine", machine, without_traces),
    ("Environment", environment, without_traces),
    ("Traceback", stack, without_traces),
    ("Log", vendor, without_traces),
)


def report(run: Run) -> str:
    """The whole text. A section that cannot be had says why: the others are wanted all the same."""
    parts = [INTRODUCTION]
    for title, content, cleared in SECTIONS:
        try:
            text = cleared(masked(content(run))).strip()
        except Exception as error:  # this machine may be broken in any way
            text = f"not to be had: {type(error).__name__}"
        if text:
            parts.append(f"## {title}\n{text}")
    return "\n\n".join(parts) + "\n"


def places() -> Iterator[Path]:
    """Folders to write into, the first choice first; memory is there where the disks are full."""
    yield Path()
    with contextlib.suppress(OSError):  # none can be written
        yield Path(tempfile.gettempdir())
    yield Path("/dev/shm")


def write_report(run: Run) -> Path | None:
    """The file it was written to, whole; None where no folder takes it, and then it went to stderr."""
    text, name = report(run), f"e2erknn-debug-{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}.txt"
    for folder in places():
        path = folder / name
        try:
            file = path.open("x", encoding="utf-8", errors="backslashreplace")  # never through a link laid there
        except OSError:
            continue
        try:
            with file:
                file.write(text)
        except OSError:
            path.unlink()
            continue
        return path
    print(text, file=sys.stderr)
    return None
