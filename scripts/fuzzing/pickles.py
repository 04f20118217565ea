"""Checkpoints whose pickle was written by nobody's torch."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from random import Random

# Callables an attacker would reach for, each with arguments that make the file whose path is put in.
CALLS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("os", "system", ("touch '{}'",)),
    ("posix", "system", ("touch '{}'",)),
    ("builtins", "eval", ("open({!r}, 'w')",)),
    ("builtins", "exec", ("open({!r}, 'w')",)),
    ("builtins", "open", ("{}", "w")),
    ("io", "open", ("{}", "w")),
    ("subprocess", "getoutput", ("touch '{}'",)),
    ("pathlib", "Path.touch", ("{}",)),
    ("os", "mkdir", ("{}",)),
    ("numpy", "save", ("{}", "x")),
    ("torch", "save", ("x", "{}")),
    ("torch._utils", "_import_dotted_name", ("os.system",)),
    ("torch.hub", "download_url_to_file", ("file:///etc/passwd", "{}")),
    ("ultralytics.nn.tasks", "parse_model", ("{}", "x")),
    ("ultralytics.utils", "YAML.save", ("{}", "x")),
    ("importlib", "import_module", ("this",)),
    ("runpy", "run_path", ("{}",)),
    ("shutil", "copy", ("/etc/passwd", "{}")),
)


def hostile_pickle(rng: Random, touched: str) -> bytes:
    """A pickle that calls something with ``touched`` for a file name, written in one of several ways."""
    module, name, raw = rng.choice(CALLS)
    arguments = [text.format(touched) for text in raw]
    body = io.BytesIO()
    protocol = rng.choice((2, 4))
    body.write(pickle.PROTO + bytes([protocol]))
    if rng.random() < 0.3:  # hidden in a state dictionary
        body.write(pickle.EMPTY_DICT + _text("model"))
    if protocol == 4:
        body.write(_text(module) + _text(name) + pickle.STACK_GLOBAL)
    elif rng.random() < 0.3:  # an old way to call
        body.write(pickle.MARK + b"".join(map(_text, arguments)) + pickle.INST + f"{module}\n{name}\n".encode())
        return body.getvalue() + pickle.STOP
    else:
        body.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
    body.write(pickle.MARK + b"".join(map(_text, arguments)) + pickle.TUPLE)
    body.write(rng.choice((pickle.REDUCE, pickle.REDUCE, pickle.NEWOBJ)))
    if rng.random() < 0.2:
        body.write(pickle.EMPTY_DICT + pickle.BUILD)
    return body.getvalue() + pickle.STOP


def _text(text: str) -> bytes:
    data = text.encode()
    return pickle.BINUNICODE + len(data).to_bytes(4, "little") + data


def repacked(checkpoint: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """The archive with its pickle changed, whole as an archive: checksums and all."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(checkpoint)) as old, zipfile.ZipFile(buffer, "w") as new:
        for entry in old.infolist():
            data = old.read(entry)
            new.writestr(entry.filename, change(data) if entry.filename.endswith("data.pkl") else data)
    return buffer.getvalue()
