"""Nothing of the machine a bundle was built on goes to the Hub: no path, no user's name, no token."""

from __future__ import annotations

import getpass
import os
import re
import socket
import tempfile
from functools import cache
from pathlib import Path

from rknn_zoo_e2e.errors import UserError

SHARED_NAMES = frozenset({"root", "user", "users", "localhost", "ubuntu", "build", "runner"})  # name nobody
HOMES = r"/home/[\w.-]+|/Users/[\w.-]+|/root\b|[A-Za-z]:\\Users\\[^\\\s]+"
REST = r"(?:[/\\][^\s/\\'\":,;()\[\]]*)*"


@cache
def folders() -> tuple[str, ...]:
    """This machine's own folders, longest first: where things are built and kept."""
    home = Path(os.path.expanduser("~"))  # a user without one: "~"
    places = {home, Path.cwd(), Path(tempfile.gettempdir()), Path(tempfile.gettempdir()).resolve()}
    return tuple(sorted((str(p) for p in places if len(p.parts) > 1), key=len, reverse=True))


@cache
def names() -> tuple[str, ...]:
    """Names of this user and this machine, where they say something."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in a container
        user = ""
    found = {user, socket.gethostname()}
    return tuple(name for name in found if len(name) > 2 and name.lower() not in SHARED_NAMES)


def secrets() -> tuple[str, ...]:
    """Tokens that may lie around in this process."""
    from huggingface_hub import get_token

    found = (get_token(), os.environ.get("HF_TOKEN"), os.environ.get("HUGGING_FACE_HUB_TOKEN"))
    return tuple({token for token in found if token})


def without_traces(text: str) -> str:
    """A log without paths, names and tokens of this machine; names of graph nodes, which look like paths, stay."""
    own = "|".join([*map(re.escape, folders()), HOMES])
    text = re.sub(rf"(?<![\w.])(?:{own}){REST}", "(path)", text)
    for name in names():
        text = re.sub(rf"\b{re.escape(name)}\b", "(name)", text)
    for token in secrets():
        text = text.replace(token, "(token)")
    return re.sub(r"\bhf_[A-Za-z0-9]{20,}", "(token)", text)


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
