"""What commands find out about an artifact and keep in its bundle: a JSON file of its own for each kind.

An artifact lists its files with their checksums, so they are copied, published and pulled with it, and one that is
built again has none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.bundle.reader import check_file, read_bundle
from rknn_zoo_e2e.bundle.writer import write_bundle
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.lock import locked
from rknn_zoo_e2e.files.validation import Check


def numbers_name(artifact: Artifact, kind: str) -> str:
    """The file's name inside the bundle."""
    return f"{kind}-{artifact.soc}-{artifact.precision}.json"


def read_numbers(bundle: Bundle, artifact: Artifact, kind: str, check: Check) -> Any:
    """What is kept of a kind, once ``check`` has seen it; None where nothing is.

    Raises:
        UserError: its file is missing, has another checksum, or holds something else.
    """
    name = numbers_name(artifact, kind)
    if name not in artifact.numbers:
        return None
    path = check_file(bundle, name, artifact.numbers[name])
    try:
        data = json.loads(path.read_text("utf-8"))
        check(data, kind)
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read ({error}).", "Build the bundle again with: e2erknn convert") from error
    return data


def change_artifact(
    folder: Path,
    sha256: str,
    command: str,
    say: Callable[[str], None],
    change: Callable[[Artifact], Mapping[str, bytes]],
) -> None:
    """Changes what a bundle says of one artifact, if it still holds the one that was asked about.

    Args:
        folder: the bundle's.
        sha256: of the artifact's file; one that was built meanwhile is left alone.
        command: who changes it, for who waits meanwhile.
        say: told where we wait.
        change: changes the artifact, and returns new files by name.

    Raises:
        UserError: the bundle cannot be read or written.
    """
    with locked(folder, command, say):
        bundle = read_bundle(folder)
        made: dict[str, Path | bytes] = {}
        for artifact in bundle.artifacts:
            if artifact.sha256 == sha256:
                made.update(change(artifact))
        write_bundle(bundle, made)


def with_numbers(kind: str, data: Any) -> Callable[[Artifact], Mapping[str, bytes]]:
    """A change for :func:`change_artifact`: numbers of a kind, as JSON has them, in place of earlier ones."""
    content = json.dumps(data, separators=(",", ":")).encode()

    def change(artifact: Artifact) -> Mapping[str, bytes]:
        name = numbers_name(artifact, kind)
        artifact.numbers = {**artifact.numbers, name: hashlib.sha256(content).hexdigest()}
        return {name: content}

    return change
