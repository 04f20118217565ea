"""Text files as people's editors save them: lists of pictures and data.yaml."""

from __future__ import annotations

import codecs
import shlex
from pathlib import Path

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.vision.image import open_regular

MAX_TEXT_BYTES = 64 << 20  # of a list or data.yaml
# Byte order marks and their encoding. UTF-32's come first, because one of them begins with UTF-16's.
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 or UTF-32 with a byte order mark, as Windows saves them.

    Raises:
        UserError: the file cannot be read, is too large, is in another encoding, or is no text.
    """
    with open_regular(path) as file:
        data = file.read(MAX_TEXT_BYTES + 1)
    if len(data) > MAX_TEXT_BYTES:
        raise UserError(f"{path} is too large for a list or a data.yaml.", "Give a folder of pictures, or a list.")
    encoding = next((name for mark, name in BYTE_ORDER_MARKS if data.startswith(mark)), "utf-8")
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
    """A shell command that converts a file to UTF-8: from GB18030 (Chinese Windows) if it decodes so, else Latin-1."""
    try:
        data.decode("gb18030")
        encoding = "GB18030"
    except UnicodeDecodeError:
        encoding = "LATIN1"
    new = path.with_name(f"{path.stem}-utf8{path.suffix}")
    return f"iconv -f {encoding} -t UTF-8 {shlex.quote(str(path))} > {shlex.quote(str(new))}"
