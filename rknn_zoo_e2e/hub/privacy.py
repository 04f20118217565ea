"""Keeps paths, names and tokens of this machine out of what is published and out of reports."""

from __future__ import annotations

import getpass
import os
import re
import socket
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from rknn_zoo_e2e.errors import UserError

MIN_FOLDER, MIN_TOKEN = 4, 8  # characters
SHARED_NAMES = frozenset({"root", "user", "users", "localhost", "ubuntu", "build", "runner"})  # name nobody
HOMES = r"/home/[\w.-]+|/Users/[\w.-]+|/root\b|~[\w.-]*(?=/)|[A-Za-z]:(?=\\)|\\\\[\w.-]+(?=\\)"
# Folders where people keep files, on this machine or on the one a log comes from; of /dev only /dev/shm is one.
DATA_FOLDERS = r"/dev/shm\b|/(?:data|media|mnt|nfs|scratch|srv|storage|workspace)(?=/)"
REST_OF_PATH = r"(?:[/\\][^\s/\\'\":,;()\[\]]*)*"
END_OF_NAME = r"(?![\w-]|\.\w)"  # of a name: a full stop may follow it, a suffix not
# Folders below / that hold no user's files: their paths stay, since they help to understand an error.
SYSTEM_FOLDERS = frozenset(
    {"bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "sbin", "sys", "usr"}
)
SECRETS = (
    (r"(?<=://)[^\s/'\"]+(?=@)", "(credentials)"),
    (r"(?i)\b((?:proxy-)?authorization['\"]?\s*[:=]\s*['\"]?(?:(?:bearer|basic|token)\s+)?)[^\s'\",]+", r"\1(token)"),
    (r"(?i)([?&](?:[\w-]*token|[\w-]*signature|api_?key|password|pwd)=)[^\s&'\"]+", r"\1(token)"),
    (r"(?<![A-Za-z0-9])(?:hf|gh[opsu]|github_pat|glpat)[_-][A-Za-z0-9]{10,}", "(token)"),
)


@cache
def folders() -> tuple[str, ...]:
    """This machine's own folders, longest first: where things are built and kept.

    Very short ones, such as ``/w`` in a container, are left out: they occur in any megabyte of weights by chance.
    """
    places: set[Path] = set()
    for place in (Path.home, Path.cwd, lambda: Path(tempfile.gettempdir())):
        with suppress(OSError, RuntimeError):  # no home, a working folder that is gone, a disk that is full
            places |= {place(), place().resolve()}
    return tuple(sorted((str(p) for p in places if len(str(p)) >= MIN_FOLDER), key=len, reverse=True))


@cache
def roots() -> tuple[str, ...]:
    """Names of the folders below ``/`` that may hold a user's files, such as "mnt"."""
    with suppress(OSError):
        return tuple(name for name in os.listdir("/") if name not in SYSTEM_FOLDERS)
    return ()


@cache
def names() -> tuple[str, ...]:
    """Names of this user and this machine, where they say something."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user without a name, as in a container; on Windows there is no pwd
        user = ""
    host = socket.gethostname()
    found = {user, host, host.partition(".")[0]}
    return tuple(sorted((name for name in found if name and name.lower() not in SHARED_NAMES), key=len, reverse=True))


def secrets() -> tuple[str, ...]:
    """Tokens that may lie around in this process."""
    found = [os.environ.get("HF_TOKEN"), os.environ.get("HUGGING_FACE_HUB_TOKEN")]
    with suppress(ImportError):  # an extra
        from huggingface_hub import get_token

        found.append(get_token())
    return tuple({token for token in found if token and len(token) >= MIN_TOKEN})


def without_secrets(text: str) -> str:
    """Text without tokens, passwords and credentials in addresses."""
    for token in secrets():
        text = text.replace(token, "(token)")
    for pattern, instead in SECRETS:
        text = re.sub(pattern, instead, text)
    return text


def without_traces(text: str) -> str:
    """A log without paths, names and tokens of this machine; names of graph nodes, which look like paths, stay."""
    top = "|".join(map(re.escape, roots()))
    own = "|".join(
        [
            *(re.escape(f) + END_OF_NAME for f in folders()),
            HOMES,
            DATA_FOLDERS,
            *([rf"/(?:{top}){END_OF_NAME}"] if top else []),
        ]
    )
    text = without_secrets(text)
    text = re.sub(rf"""(['"])(?:{own})(?:[/\\][^'"\n]*)?\1""", r"\1(path)\1", text)  # may hold spaces
    text = re.sub(rf"(?<![\w.])(?:{own}){REST_OF_PATH}", "(path)", text)
    return without_names(text)


def without_names(text: str) -> str:
    """Text without names of this user and machine, in user@host, addresses and relative paths.

    Nowhere else: they are words of logs, too. Somebody is called "model", some board "rk3588".
    """
    if not (known := "|".join(map(re.escape, names()))):
        return text

    def in_path(path: re.Match[str]) -> str:
        return re.sub(rf"(?<=[/\\])(?:{known}){END_OF_NAME}", "(name)", path[0])

    text = re.sub(r"(?<![\w./\\])\.{1,2}[/\\]\S*", in_path, text)
    return re.sub(rf"(?<![\w.-])(?:{known})(?=@)|(?:(?<=@)|(?<=://))(?:{known})(?![\w-])", "(name)", text)


def check_private(path: Path, content: Path | bytes) -> None:
    """Raises :class:`UserError` where what is to be published of ``path`` holds a path or token of this machine."""
    data = content if isinstance(content, bytes) else content.read_bytes()
    for what, values in (("token", secrets()), ("path", [f"{folder}/" for folder in folders()])):
        for value in values:
            if value.encode() in data:
                shown = value if what == "path" else "of Hugging Face"
                raise UserError(
                    f"{path} holds a {what} of this machine ({shown}), so it is not published.",
                    "Build the bundle again with: e2erknn convert",
                )
