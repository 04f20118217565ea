"""Lists and checks a repo's files before anything is downloaded: anybody may have filled it."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from rknn_zoo_e2e.bundle import schema
from rknn_zoo_e2e.bundle.model import METADATA
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.validation import is_printable, shown
from rknn_zoo_e2e.hub.client import hub_api, hub_errors
from rknn_zoo_e2e.hub.layout import DO_NOT_USE

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoFile

MOST_FILES = 10_000  # of a repo; one with 200 bundles has 1,500
MAX_BYTES = schema.LARGEST | {"": 1 << 20}  # SHA256SUMS has no suffix


def list_files(repo: str, revision: str | None) -> dict[str, RepoFile]:
    """A repo's files by path.

    Raises:
        UserError: no such repo, no network, absurdly many files or bundles, or a path that leaves the repo.
    """
    from huggingface_hub.hf_api import RepoFile

    found: dict[str, RepoFile] = {}
    with hub_errors(repo):
        for entry in hub_api().list_repo_tree(repo, revision=revision, recursive=True):
            path = PurePosixPath(entry.path)
            if path.is_absolute() or ".." in path.parts or "\\" in entry.path or not is_printable(entry.path):
                raise UserError(f"{repo} names files outside itself ({shown(entry.path)}).", DO_NOT_USE)
            if isinstance(entry, RepoFile):
                found[entry.path] = entry
            if len(found) > MOST_FILES:
                raise UserError(f"{repo} holds more than {MOST_FILES:,} files.", DO_NOT_USE)
    count = sum(path.endswith(f"/{METADATA}") for path in found)
    if count > schema.MOST_ARTIFACTS:
        raise UserError(f"{repo} holds {count:,} bundles, more than {schema.MOST_ARTIFACTS}.", DO_NOT_USE)
    return found


def check_sizes(repo: str, revision: str | None, patterns: Iterable[str]) -> None:
    """Raises :class:`UserError` if a matching file is larger than its kind may be, or as :func:`list_files` does."""
    wanted = list(patterns)
    for path, file in list_files(repo, revision).items():
        most = MAX_BYTES.get(PurePosixPath(path).suffix, 0)
        if file.size > most and any(fnmatch(path, pattern) for pattern in wanted):
            raise UserError(f"{repo}: {path} has {file.size:,} bytes, more than {most:,}.", DO_NOT_USE)
