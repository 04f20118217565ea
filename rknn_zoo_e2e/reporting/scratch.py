"""Values that wait on disk, so that any number of them takes no memory."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.isolation.workfolder import TMPDIR_ADVICE


@dataclass(frozen=True)
class Scratch:
    """A work folder of this process (:func:`~rknn_zoo_e2e.isolation.workfolder.work_folder`) as a mapping by name."""

    folder: Path

    def put(self, name: str, value: Any) -> None:
        """Keeps a value. Raises :class:`UserError` where it cannot be written."""
        try:
            (self.folder / name).write_bytes(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))
        except OSError as error:
            what = f"Work files cannot be written to {self.folder.parent} ({error.strerror or error})."
            raise UserError(what, TMPDIR_ADVICE) from error

    def has(self, name: str) -> bool:
        """Whether there is one."""
        return (self.folder / name).exists()

    def get(self, name: str) -> Any:
        """A value that was kept; nobody else can write into a work folder, so it is ours."""
        return pickle.loads((self.folder / name).read_bytes())
