"""Records of what was fetched: a small JSON file per name in our cache folder, ``$XDG_CACHE_HOME/e2erknn/fetched``."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.lock import exclusive
from rknn_zoo_e2e.zoo.fetch.faults import disk_faults


@dataclass(frozen=True)
class Record:
    """What is recorded of one name.

    Attributes:
        path: the file, which may have been deleted since.
        source, sha256: of that file.
        checksums: sha256 by source, as of the first fetch from it.
        revisions: commit by source, for sources that have such.
    """

    path: Path = Path()
    source: str = ""
    sha256: str = ""
    checksums: dict[str, str] = field(default_factory=dict)
    revisions: dict[str, str] = field(default_factory=dict)

    def updated(self, path: Path, source: str, sha256: str, revision: str | None) -> Record:
        """The record after another download."""
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
    """The record of ``name``, None if there is none or it cannot be read."""
    try:
        data = json.loads((folder() / f"{name}.json").read_text())
        return Record(**{**data, "path": Path(data["path"])})
    except (OSError, ValueError, TypeError, KeyError, UserError):
        return None


def write(name: str, record: Record) -> None:
    """Replaces the record of ``name`` in one step."""
    document = json.dumps({**asdict(record), "path": str(record.path)}, indent=1)
    with tempfile.NamedTemporaryFile("w", dir=folder(), prefix=f".{name}.", delete=False) as file:
        file.write(document)
    os.replace(file.name, folder() / f"{name}.json")


@contextmanager
def locked(name: str, waiting: Callable[[], None]) -> Iterator[None]:
    """Keeps other processes and threads from fetching the same name during the block. Called by ``fetch``.

    There is no lock where our cache folder cannot be written.

    Args:
        waiting: called if another process or thread is fetching it, before the wait.

    Raises:
        UserError: the lock's file cannot be made.
    """
    try:
        folder().mkdir(parents=True, exist_ok=True)
        writable = os.access(folder(), os.W_OK)
    except OSError:
        writable = False
    if not writable:
        yield
        return
    with ExitStack() as stack:
        with disk_faults(name):
            # Without locks two fetches of one name at worst end with an error: what is kept is checked and moved whole.
            lock = exclusive(folder() / f".{name}.lock", "fetch", lambda holder: waiting(), lambda error: None)
            stack.enter_context(lock)
        yield
