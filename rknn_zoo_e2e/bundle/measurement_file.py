"""The file in which a board's measurement of an artifact is sent to whoever publishes it.

JSON of a few kilobytes that people can read: an entry of ``measured`` (:mod:`~rknn_zoo_e2e.bundle.measurement`), and
which artifact of which model it is about. Strangers send it, so nothing in it is believed before it is checked.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rknn_zoo_e2e.bundle.measurement import ENTRY
from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.bundle.schema import LAYOUT, MODEL, SHA256, WORD
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.staging import write_file
from rknn_zoo_e2e.files.validation import exactly, mapping, shown, text

FORMAT_VERSION = 1
LARGEST = 64 << 10  # bytes
MEASURE = "e2erknn bench BUNDLE --save FILE"
OF_MODEL = ("name", "task", "contract", "imgsz")
FILE = mapping(
    {
        "format_version": exactly(FORMAT_VERSION),
        "model": mapping({**{key: MODEL[key] for key in OF_MODEL}, "weights_sha256": SHA256}),
        "artifact": mapping({"sha256": SHA256, "soc": WORD, "precision": WORD, "layout": LAYOUT, "toolkit": text(30)}),
        **ENTRY,
    }
)


def subject(bundle: Bundle, artifact: Artifact) -> dict[str, Any]:
    """What a file says of what it is about: ``model`` and ``artifact``."""
    spec = bundle.spec
    facts = {"name": spec.name, "task": spec.task, "contract": spec.contract, "imgsz": list(spec.imgsz)}
    return {
        "model": facts | {"weights_sha256": bundle.weights_sha256},
        "artifact": {key: getattr(artifact, key) for key in ("sha256", "soc", "precision", "layout", "toolkit")},
    }


def write_measurement(path: Path, bundle: Bundle, artifact: Artifact, entry: dict[str, Any]) -> None:
    """Writes one, whole or not at all, in place of a file that is there.

    Args:
        entry: what was measured, an entry of ``measured``.

    Raises:
        UserError: it cannot be written.
    """
    document = {"format_version": FORMAT_VERSION, **subject(bundle, artifact), **entry}
    FILE(document, "")  # what is refused here would be refused there
    write_file(path, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode(), "another file with --save")


def read_measurement(path: Path) -> dict[str, Any]:
    """What is in such a file, checked.

    Raises:
        UserError: it is none, or of another version.
    """
    ask = f"Ask for the file as it was written, or measure again on the board with: {MEASURE}"
    if not path.is_file():  # a pipe would be read for ever
        raise UserError(f"There is no file {path}.", f"Make one on a board with: {MEASURE}")
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ValueError(f"it has more than {LARGEST:,} bytes")
        document: dict[str, Any] = json.loads(content.decode("utf-8"))
        version = document.get("format_version", FORMAT_VERSION) if isinstance(document, dict) else None
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise UserError(
                f"{path} is of a newer e2erknn (format {shown(version)}, this one reads {FORMAT_VERSION}).",
                f"Publish it with that one, or measure again with this one: {MEASURE}",
            )
        FILE(document, "")
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is not what bench --save writes ({error}).", ask) from error
    return document


def entry_of(document: dict[str, Any]) -> dict[str, Any]:
    """The part of a file that a bundle keeps, where the artifact it is about is known."""
    return {key: document[key] for key in ENTRY}
