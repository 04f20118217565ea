"""How to add an extra to this installation, in words that can be typed: every form names something that exists.

This package is on no index: ``pip install 'rknn-zoo-e2e[...]'`` would install whatever somebody put there under its
name. So it is installed again from where it came from, which pip records (``direct_url.json``, PEP 610); where that is
unknown the packages an extra stands for are named.
"""

from __future__ import annotations

import json
import platform
import shlex
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement

PROJECT = "rknn-zoo-e2e"
CLONE = Path(__file__).parents[2]  # where this file lies in one
# The packages that matter, for a copy of this package without metadata, which has no bounds either.
EXTRAS = {
    "convert": ("ultralytics", "onnx", "onnxruntime", "rknn-toolkit2", "setuptools", "huggingface_hub"),
    "onnx": ("onnxruntime",),
    "hub": ("huggingface_hub",),
    "board": ("rknn-toolkit-lite2",),
    "dask": ("distributed",),
    "heic": ("pi-heif",),
}


def install(*extras: str) -> str:
    """The command that adds extras here, such as ``pip install -e '.[hub]'``."""
    record, wanted = origin(), f"[{','.join(extras)}]"
    if place := clone(record) or wheel(record):
        here = "." if place == Path.cwd() else place
        editable = "-e " if record.get("dir_info", {}).get("editable") else ""
        return f"pip install {editable}{shlex.quote(f'{here}{wanted}')}"
    if url := address(record):
        return f"pip install {shlex.quote(f'{PROJECT}{wanted} @ {url}')}"
    return f"pip install {shlex.join(packages(extras))}"


def install_elsewhere(*extras: str) -> str:
    """The same for another machine, which does not have our files."""
    record, wanted = origin(), f"[{','.join(extras)}]"
    if (url := address(record)) and urlsplit(record["url"]).scheme != "file":
        return f"pip install {shlex.quote(f'{PROJECT}{wanted} @ {url}')}"
    return f"pip install {shlex.quote(f'.{wanted}')} in a clone of {PROJECT}"


def remedy(extra: str, what: str = "it", python: str = "") -> str:
    """What to do where packages of an extra are missing: install it, on a Python that they exist for.

    Args:
        what: "it" or "them".
        python: a version such as "3.13.5", this Python's by default.
    """
    if offered(extra, python):
        return f"Install {what} with: {install(extra)}"
    older = f"python3.12 -m venv env312 && env312/bin/{install(extra)}"
    return f"Use Python 3.10 to 3.12, such as: {older}; or Docker, as docs/converting.md says"


def offered(extra: str, python: str = "") -> bool:
    """Whether an extra brings anything to a Python (this one by default), on a machine it is meant for."""
    try:
        lines = [Requirement(line) for line in metadata.requires(PROJECT) or []]
    except metadata.PackageNotFoundError:
        return True
    version = python or platform.python_version()
    here = {"python_version": ".".join(version.split(".")[:2]), "python_full_version": version}
    machines = [here | {"platform_system": "Linux", "platform_machine": m} for m in ("x86_64", "aarch64")]
    return any(
        line.marker
        and not line.marker.evaluate(machine | {"extra": ""})
        and line.marker.evaluate(machine | {"extra": extra})
        for line in lines
        for machine in machines
    )


def origin() -> dict[str, Any]:
    """What pip recorded of where this installation came from; empty if nothing."""
    try:
        found = json.loads(metadata.distribution(PROJECT).read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("url"), str) else {}


def local(record: dict[str, Any]) -> Path | None:
    """The file or folder it came from."""
    parts = urlsplit(record.get("url", ""))
    return Path(unquote(parts.path)) if parts.scheme == "file" and "vcs_info" not in record else None


def clone(record: dict[str, Any]) -> Path | None:
    """The folder of the project, if it is still there: the one this file lies in, else the one pip was given."""
    folders = (CLONE, local(record))
    return next((folder for folder in folders if folder and (folder / "pyproject.toml").is_file()), None)


def wheel(record: dict[str, Any]) -> Path | None:
    """The file pip was given, if it is still there."""
    file = local(record)
    return file if file and file.is_file() else None


def address(record: dict[str, Any]) -> str | None:
    """A requirement's address (PEP 508): without passwords, and of the very same commit."""
    parts, vcs = urlsplit(record.get("url", "")), record.get("vcs_info", {})
    if not vcs and (parts.scheme not in ("http", "https") or parts.query):  # a signed address has its day
        return None
    user = "git@" if parts.username == "git" and parts.scheme == "ssh" else ""
    host = parts.netloc.rpartition("@")[2] or "localhost"  # of a file, where pip wants one all the same
    url = f"{parts.scheme}://{user}{host}{parts.path}"
    folder = f"#subdirectory={record['subdirectory']}" if record.get("subdirectory") else ""
    if not vcs:
        return url + folder
    return f"{vcs['vcs']}+{url}@{vcs['commit_id']}{folder}"


def packages(extras: tuple[str, ...]) -> list[str]:
    """What extras stand for on this machine, with bounds where this package's metadata is there."""
    try:
        lines = [Requirement(line) for line in metadata.requires(PROJECT) or []]
    except metadata.PackageNotFoundError:
        lines = []
    found = [
        f"{line.name}{line.specifier}"
        for line in lines
        for extra in extras
        if line.marker and not line.marker.evaluate({"extra": ""}) and line.marker.evaluate({"extra": extra})
    ]
    return list(dict.fromkeys(found)) or [name for extra in extras for name in EXTRAS[extra]]
