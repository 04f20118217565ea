"""Plans a publication: which files of a repo would be added, changed and removed. Nothing is changed here."""

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
from rknn_zoo_e2e.hub.privacy import check_private
from rknn_zoo_e2e.progress import Progress
from rknn_zoo_e2e.publishing.card import make_card
from rknn_zoo_e2e.publishing.measurements import Measurements, with_measurements
from rknn_zoo_e2e.publishing.repo_state import State, look, same
from rknn_zoo_e2e.publishing.sample import OURS, default_picture, draw_sample

CARD = "README.md"


@dataclass(frozen=True)
class Wishes:
    """The options of ``publish``.

    Attributes:
        branch: the branch to commit to, made if it is not there.
        private: whether a repo that has to be made is private.
        pull_request: propose the change instead.
        replace: remove what the repo holds of another model.
        sample: picture to draw detections on for the card; by default a fitting one, if the repo has no sample yet.
        draw: whether to draw one at all.
        measurements: what boards measured, to be put into the bundles.
    """

    branch: str = "main"
    private: bool = False
    pull_request: bool = False
    replace: bool = False
    sample: Path | None = None
    draw: bool = True
    measurements: Measurements = field(default_factory=dict)


@dataclass
class Plan:
    """What a repo is to hold after publishing.

    Attributes:
        files: all files of this publication, by path in the repo.
        changed: those the repo does not have yet, or has with another content.
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
    models = collect(bundles, repo, state, wishes)
    on_stage("check", 0.0)
    files: dict[str, Content] = {}
    for bundle in models.new:
        files |= files_to_publish(bundle, bundle.artifacts[0])
    drawn = {} if drawn is None else drawn
    old_samples = draw_missing_sample(models, state, wishes, drawn, on_stage)
    files |= drawn
    kept_samples = [path for path in state.oids if OURS.fullmatch(path) and path not in old_samples]
    card = make_card(repo, [*models.new, *models.kept], next(iter([*drawn, *kept_samples]), None))
    files[CARD] = card.encode()
    check_private(Path(CARD), files[CARD])
    changed, outdated = compare(files, models.folders, state)
    removed = [*(folder_of(b.artifacts[0]) + "/" for b in models.gone), *old_samples, *outdated]
    return Plan(repo, wishes, state, card, files, changed, removed, [folder_of(b.artifacts[0]) for b in models.kept])


@dataclass(frozen=True)
class Models:
    """The bundles of one artifact each that a plan is about.

    Attributes:
        new: to be published.
        kept: what the repo holds beside them, and keeps.
        gone: what the repo holds of another model, and loses.
    """

    new: list[Bundle]
    kept: list[Bundle]
    gone: list[Bundle]

    @property
    def folders(self) -> list[str]:
        """Where the new ones go."""
        return [folder_of(bundle.artifacts[0]) for bundle in self.new]


def collect(bundles: Sequence[Bundle], repo: str, state: State, wishes: Wishes) -> Models:
    """Which bundles the repo is to hold afterwards.

    Raises:
        UsageError: two of them belong into the same folder, or there is none.
        UserError: they would be of two models, or have more measurements than can be read.
    """
    published = {a.sha256: a.measured for bundle in state.bundles for a in bundle.artifacts}
    new = [
        bundle.only(with_measurements(a, wishes.measurements, published.get(a.sha256, ())))
        for bundle in bundles
        for a in bundle.artifacts
    ]
    check_one_model(new, repo)
    folders = [folder_of(bundle.artifacts[0]) for bundle in new]
    if not new or len(set(folders)) < len(folders):
        twice = next((f for f in folders if folders.count(f) > 1), "nothing")
        raise UsageError(f"These bundles hold {twice} more than once.", "Publish one of them.")
    others = [b for b in state.bundles if folder_of(b.artifacts[0]) not in folders]
    gone = [b for b in others if wishes.replace and identity(b) != identity(new[0])]
    kept = [b for b in others if b not in gone]
    check_one_model([*new, *kept], repo)
    return Models(new, kept, gone)


def draw_missing_sample(
    models: Models, state: State, wishes: Wishes, drawn: dict[str, bytes], on_stage: Progress
) -> list[str]:
    """Draws a sample into ``drawn`` if the user gave a picture or the repo has no sample of this model.

    Returns:
        The repo's own samples that go: another is in their place, or their model goes.

    Raises:
        UserError: the picture cannot be read, or the bundle cannot run here.
    """
    samples = [path for path in state.oids if OURS.fullmatch(path)]
    picture = wishes.sample if wishes.draw else None
    if wishes.draw and picture is None and (not samples or models.gone):
        picture = default_picture(models.new[0])
    if picture and not drawn:
        name, content = draw_sample(models.new[0], picture, on_stage)
        drawn[name] = content
    return [path for path in samples if (drawn or models.gone) and path not in drawn]


def compare(files: dict[str, Content], folders: Sequence[str], state: State) -> tuple[list[str], list[str]]:
    """What changes: paths to upload, and paths to delete.

    The first are those that the repo does not have or has with another content, the others files of our folders that no
    build has any longer, such as another calibration's ranges.
    """
    changed = [path for path, content in sorted(files.items()) if not same(state.oids.get(path), content)]
    ours = tuple(f"{folder}/" for folder in folders)
    return changed, [path for path in state.oids if path.startswith(ours) and path not in files]


def identity(bundle: Bundle) -> tuple[object, ...]:
    """What makes two bundles the same model."""
    return bundle.spec, bundle.weights_sha256


def check_one_model(bundles: Sequence[Bundle], repo: str) -> None:
    """Raises :class:`UserError` unless all were made from the same checkpoint, for the same input."""
    for first, other in pairwise(bundles):
        if identity(other) != identity(first):
            height, width = other.spec.imgsz
            raise UserError(
                f"{repo} would hold two models: {first.spec.name} and {other.spec.name} ({width} x {height} px, "
                f"weights {other.weights_sha256[:8]}).",
                "Give another --repo for it, or --replace to let go of what the repo holds.",
            )
