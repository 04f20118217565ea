"""What publishing bundles would change in a repo; nothing is changed here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from rknn_zoo_e2e.bundle.model import Bundle
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.hub.client import hub_api, hub_errors
from rknn_zoo_e2e.hub.layout import Content, digest, files_to_publish, folder_of
from rknn_zoo_e2e.hub.listing import list_files
from rknn_zoo_e2e.hub.privacy import check_private
from rknn_zoo_e2e.hub.pull import read_repo
from rknn_zoo_e2e.progress import Progress
from rknn_zoo_e2e.publishing.card import make_card
from rknn_zoo_e2e.publishing.sample import OURS, default_picture, draw_sample

CARD = "README.md"


@dataclass(frozen=True)
class Wishes:
    """What to do, as the user said.

    Attributes:
        branch: the branch to commit to, made if it is not there.
        private: whether a repo that has to be made is private.
        pull_request: propose the change instead.
        replace: let go of what the repo holds, if that is another model.
        sample: picture to draw on; by default one that fits, if the repo has none yet.
        draw: whether to draw one at all.
    """

    branch: str = "main"
    private: bool = False
    pull_request: bool = False
    replace: bool = False
    sample: Path | None = None
    draw: bool = True


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


@dataclass
class Plan:
    """What a repo is to become.

    Attributes:
        files: all that is to be there of ours, by path.
        changed: those that are not there yet, or differ.
        removed: folders and files that go.
        kept: folders that stay as they are.
    """

    repo: str
    wishes: Wishes
    state: State
    card: str
    files: dict[str, Content]
    changed: list[str]
    removed: list[str]
    kept: list[str]

    @property
    def bytes(self) -> int:
        """Of what changes."""
        return sum(size(self.files[path]) for path in self.changed)

    def report(self) -> dict[str, Any]:
        """For the JSON document."""
        files = [
            {"path": path, "bytes": size(content), "sha256": digest(content), "changed": path in self.changed}
            for path, content in sorted(self.files.items())
        ]
        return {"repo": self.repo, "branch": self.wishes.branch, "new": self.state.head is None, "files": files} | {
            "kept": self.kept,
            "removed": self.removed,
        }


def size(content: Content) -> int:
    """In bytes."""
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def default_repo(bundle: Bundle) -> str:
    """``<you>/<bundle>``. Raises :class:`UserError` without a valid token."""
    with hub_errors(bundle.path.name):
        return f"{hub_api().whoami()['name']}/{bundle.path.resolve().name}"


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


def make_plan(
    bundles: Sequence[Bundle], repo: str, wishes: Wishes, on_stage: Progress, drawn: dict[str, bytes] | None = None
) -> Plan:
    """What publishing would change; looks at the repo and changes nothing.

    Args:
        bundles: all of one model.
        repo: owner/name.
        drawn: a sample made by an earlier plan, filled for later ones.

    Raises:
        UserError: bundles that do not go together, a repo with another model, a damaged bundle, no network.
    """
    on_stage("look", 0.0)
    state = look(repo, wishes.branch)
    new = [bundle.only(artifact) for bundle in bundles for artifact in bundle.artifacts]
    check_one_model(new, repo)
    folders = [folder_of(bundle.artifacts[0]) for bundle in new]
    if not new or len(set(folders)) < len(folders):
        twice = next((f for f in folders if folders.count(f) > 1), "nothing")
        raise UsageError(f"These bundles hold {twice} more than once.", "Publish one of them.")
    others = [b for b in state.bundles if folder_of(b.artifacts[0]) not in folders]
    gone = [b for b in others if wishes.replace and identity(b) != identity(new[0])]
    kept = [b for b in others if b not in gone]
    check_one_model([*new, *kept], repo)
    on_stage("check", 0.0)
    files: dict[str, Content] = {}
    for bundle in new:
        files |= files_to_publish(bundle, bundle.artifacts[0])
    samples = [path for path in state.oids if OURS.fullmatch(path)]
    drawn = {} if drawn is None else drawn
    picture = (wishes.sample or (default_picture(new[0]) if not samples or gone else None)) if wishes.draw else None
    if picture and not drawn:
        name, content = draw_sample(new[0], picture, on_stage)
        drawn[name] = content
    files |= drawn
    removed = [folder_of(b.artifacts[0]) + "/" for b in gone]
    removed += [path for path in samples if (drawn or gone) and path not in drawn]
    sample = next(iter([*drawn, *(path for path in samples if path not in removed)]), None)
    card = make_card(repo, [*new, *kept], sample)
    files[CARD] = card.encode()
    check_private(Path(CARD), files[CARD])
    changed = [path for path, content in sorted(files.items()) if not same(state.oids.get(path), content)]
    # A file the new build no longer has, such as another calibration's ranges.
    ours = tuple(f"{folder}/" for folder in folders)
    removed += [path for path in state.oids if path.startswith(ours) and path not in files]
    return Plan(repo, wishes, state, card, files, changed, removed, [folder_of(b.artifacts[0]) for b in kept])


def identity(bundle: Bundle) -> tuple[object, ...]:
    """What makes two bundles the same model."""
    return bundle.spec, bundle.layout, bundle.weights_sha256


def check_one_model(bundles: Sequence[Bundle], repo: str) -> None:
    """Raises :class:`UserError` unless all were made from the same checkpoint, for the same input and layout."""
    for first, other in pairwise(bundles):
        if identity(other) != identity(first):
            height, width = other.spec.imgsz
            raise UserError(
                f"{repo} would hold two models: {first.spec.name} and {other.spec.name} ({width} x {height} px, "
                f"{other.layout}, weights {other.weights_sha256[:8]}).",
                "Give another --repo for it, or --replace to let go of what the repo holds.",
            )


def same(oid: str | None, content: Content) -> bool:
    """Whether a file of the repo has that content, by either of the ids the Hub keeps."""
    if oid is None:
        return False
    if len(oid) == 64:
        return oid == digest(content)
    from huggingface_hub.utils.sha import git_hash

    return oid == git_hash(content if isinstance(content, bytes) else content.read_bytes())
