"""What a repo of the Hub holds now: the state a publishing plan is made for."""

from __future__ import annotations

from dataclasses import dataclass, field

from rknn_zoo_e2e.bundle.model import Bundle
from rknn_zoo_e2e.hub.client import hub_api, hub_errors
from rknn_zoo_e2e.hub.layout import Content, digest
from rknn_zoo_e2e.hub.listing import list_files
from rknn_zoo_e2e.hub.pull import read_repo


@dataclass
class State:
    """A repo as it is.

    Attributes:
        head: the commit the branch is at, None where there is no repo.
        branch_exists: otherwise ``head`` is main's.
        oids: by path, the SHA-256 of large files and git's blob id of others.
        bundles: what it holds.
    """

    head: str | None = None
    branch_exists: bool = True
    oids: dict[str, str] = field(default_factory=dict)
    bundles: list[Bundle] = field(default_factory=list)


def look(repo: str, branch: str) -> State:
    """The repo as it is now. Raises :class:`UserError` where that cannot be seen."""
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    api, exists = hub_api(), True
    with hub_errors(repo):
        try:
            head = api.repo_info(repo, revision=branch).sha
        except RepositoryNotFoundError:
            return State()
        except RevisionNotFoundError:
            head, exists = api.repo_info(repo).sha, False
    oids = {path: f.lfs.sha256 if f.lfs else f.blob_id for path, f in list_files(repo, head).items()}
    bundles = read_repo(repo, head, ("calibration-*.json",)) if any(p.endswith("/metadata.yaml") for p in oids) else []
    return State(head, exists, oids, bundles)


def same(oid: str | None, content: Content) -> bool:
    """Whether a file of the repo has that content, by either of the ids the Hub keeps."""
    if oid is None:
        return False
    if len(oid) == 64:
        return oid == digest(content)
    from huggingface_hub.utils.sha import git_hash

    return oid == git_hash(content if isinstance(content, bytes) else content.read_bytes())
