"""Paths as people type them and texts as their editors save them."""

from __future__ import annotations

import codecs
import os
import shlex
from pathlib import Path

from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.vision.image import open_regular

MOST_TEXT = 64 << 20  # bytes of a list or data.yaml
# What an editor puts first. Those of UTF-32 come first: UTF-16's is the beginning of one of them.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


def user_path(given: object, option: str) -> Path:
    """A path somebody typed, ``~`` for the home folder: after ``=``, in quotes and in Python no shell replaces it.

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
    except RuntimeError:  # no such user: then a file may be called so
        return path


def expanded(text: str) -> str:
    """What may be a path, a name or an address: only a leading ``~`` makes it certain, and is the home folder."""
    return os.path.expanduser(text) if text.startswith("~") else text


def read_text(path: Path) -> str:
    """A text file in UTF-8, or in UTF-16 or UTF-32 with its mark, as Windows saves them.

    Raises:
        UserError: it cannot be read, is too large, or is text in another encoding, or none.
    """
    with open_regular(path) as file:
        data = file.read(MOST_TEXT + 1)
    if len(data) > MOST_TEXT:
        raise UserError(f"{path} is too large for a list or a data.yaml.", "Give a folder of pictures, or a list.")
    encoding = next((name for mark, name in MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        if b"\0" not in data:
            raise UserError(
                f"{path} is not UTF-8 text.", f"Save it as UTF-8, for example with: {iconv(path, data)}"
            ) from None
        text = "\0"
    if "\0" in text:
        raise UserError(f"{path} is not a text file.", "Give a folder of pictures, a data.yaml or a list.txt.")
    return text


def iconv(path: Path, data: bytes) -> str:
    """A command that saves a text as UTF-8, from GB18030 (Chinese Windows) if it can be that, else from Latin-1."""
    try:
        data.decode("gb18030")
        encoding = "GB18030"
    except UnicodeDecodeError:
        encoding = "LATIN1"
    new = path.with_name(f"{path.stem}-utf8{path.suffix}")
    return f"iconv -f {encoding} -t UTF-8 {shlex.quote(str(path))} > {shlex.quote(str(new))}"
