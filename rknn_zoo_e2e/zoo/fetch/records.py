"""What was fetched before: one small file a name in our cache folder, ``$XDG_CACHE_HOME/e2erknn/fetched``."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from rknn_zoo_e2e.errors import UserError


@dataclass(frozen=True)
class Record:
    """What is known of one name.

    Attributes:
        path: where it is; it may have been deleted since.
        source, sha256: of what is there.
        checksums: sha256 by source, as of the first fetch from it.
        revisions: commit by source, for sources that have such.
    """

    path: Path = Path()
    source: str = ""
    sha256: str = ""
    checksums: dict[str, str] = field(default_factory=dict)
    revisions: dict[str, str] = field(default_factory=dict)

    def updated(self, path: Path, source: str, sha256: str, revision: str | None) -> Record:
        """With something that has just been fetched."""
        revisions = self.revisions | ({source: revision} if revision else {})
        checksums = {source: sha256, **self.checksums}
        return replace(self, path=path, source=source, sha256=sha256, checksums=checksums, revisions=revisions)


def folder() -> Path:
    """Our cache folder; it may not exist. Raises :class:`UserError` for a user without a home."""
    home = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(home).absolute() if home else Path.home() / ".cache") / "e2erknn" / "fetched"
    except RuntimeError:
        raise UserError(
            "There is no home directory to keep what is fetched in.", "Set XDG_CACHE_HOME to a folder."
        ) from None


def read(name: str) -> Record | None:
    """What is known of ``name``, None if nothing (or nothing that can be read)."""
    try:
        data = json.loads((folder() / f"{name}.json").read_text())
        return Record(**{**data, "path": Path(data["path"])})
    except (OSError, ValueError, TypeError, KeyError, UserError):
        return None


def write(name: str, record: Record) -> None:
    """Replaces what is known of ``name``, wholly or not at all."""
    document = json.dumps({**asdict(record), "path": str(record.path)}, indent=1)
    with tempfile.NamedTemporaryFile("w", dir=folder(), prefix=f".{name}.", delete=False) as file:
        file.write(document)
    os.replace(file.name, folder() / f"{name}.json")


@contextmanager
def locked(name: str, waiting: Callable[[], None]) -> Iterator[None]:
    """One process, and one thread of it, fetches a name at a time. Without a folder to write into there is no lock.

    Args:
        waiting: called where another one has it.
    """
    try:
        folder().mkdir(parents=True, exist_ok=True)
        writable = os.access(folder(), os.W_OK)
    except OSError:
        writable = False
    if not writable:
        yield
        return
    from filelock import FileLock, Timeout

    lock = FileLock(folder() / f".{name}.lock")
    try:
        taken = lock.acquire(timeout=0)
    except Timeout:
        waiting()
        taken = lock.acquire()
    with taken:
        yield
