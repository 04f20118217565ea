"""``publish`` as a function, and what it returns."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.errors import UsageError
from rknn_zoo_e2e.files.paths import expanded, user_path
from rknn_zoo_e2e.hub.client import check_repo_name, require_hub
from rknn_zoo_e2e.progress import following, silent
from rknn_zoo_e2e.publishing.measurements import read_measurements
from rknn_zoo_e2e.publishing.plan import Wishes, default_repo
from rknn_zoo_e2e.publishing.publish import publish as run


@dataclass(frozen=True)
class Published:
    """What :func:`publish` did, or on a dry run would do.

    Attributes:
        repo: owner/name.
        commit: the commit, None on a dry run and where the repo held all of it already.
        url: of the commit, the pull request or the repo; "" on a dry run.
        changed: paths in the repo of the files that are new or have another content.
        removed: folders and files of the repo that go.
        card: the model card's text.
    """

    repo: str
    commit: str | None
    url: str
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    card: str


def publish(
    bundle: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    repo: str | None = None,
    dry_run: bool = False,
    private: bool = False,
    branch: str = "main",
    pr: bool = False,
    replace: bool = False,
    sample: str | os.PathLike[str] | None = None,
    draw: bool = True,
    measured: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    on_stage: Callable[[str, float], None] = silent,
) -> Published:
    """Publishes bundles on the Hugging Face Hub: files, checksums and a model card, in one commit.

    Nobody is asked: as ``huggingface_hub.upload_folder`` does, it uploads at once. ``dry_run`` says what would change.
    What the repo holds for other SoCs stays.

    Args:
        bundle: a bundle's folder, or several of one model, which go into the same repo.
        repo: owner/name; <you>/<folder of the first bundle> by default. Made if it is not there.
        dry_run: change nothing.
        private: if the repo has to be made, make it private.
        branch: to commit to; made if it is not there.
        pr: open a pull request instead of committing.
        replace: remove what the repo holds of another model, weights or input size.
        sample: picture for the card, to draw on; by default one that fits, if there is one.
        draw: whether to draw a picture for the card at all.
        measured: files that ``e2erknn bench --save`` wrote on boards; what they say goes into the bundles' metadata,
            here (not on a dry run) and in the repo, and into the card.
        on_stage: told of the stages, each with the share (0..1) of it that is done.

    Raises:
        UsageError: an argument means nothing.
        UserError: huggingface_hub is not installed, no token, no network, a damaged bundle, a repo with another
            model, or a measurement that is not of these bundles.

    Example:
        >>> from rknn_zoo_e2e import publish
        >>> plan = publish("shapes_rknn_model", "me/shapes-rknn", dry_run=True)
        >>> plan.commit is None and "2.3.2/rk3566/int8/shapes-rk3566-int8.rknn" in plan.changed
        True
        >>> done = publish("shapes_rknn_model", "me/shapes-rknn")
        >>> done.changed == plan.changed and done.url.endswith(done.commit)
        True
        >>> publish("shapes_rknn_model", "me/shapes-rknn").commit is None  # it holds all of it already
        True
    """
    require_hub()
    if repo is not None:
        check_repo_name(repo)
    given = [bundle] if isinstance(bundle, (str, os.PathLike)) else list(bundle)
    if not given:
        raise UsageError("No bundle was given.", "Give the folder of one, such as yolov8n_rknn_model.")
    bundles = [read_bundle(Path(expanded(one))) for one in given]
    picture = None if sample is None else user_path(sample, "--sample")
    files = [
        user_path(one, "measured") for one in ([measured] if isinstance(measured, (str, os.PathLike)) else measured)
    ]
    wishes = Wishes(branch, private, pr, replace, picture, draw, read_measurements(files, bundles))
    plan, outcome = run(bundles, repo or default_repo(bundles[0]), wishes, lambda _: not dry_run, following(on_stage))
    return Published(
        plan.repo,
        outcome.commit if outcome else None,
        outcome.url if outcome else "",
        tuple(plan.changed),
        tuple(plan.removed),
        plan.card,
    )
