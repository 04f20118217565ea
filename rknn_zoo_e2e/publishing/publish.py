"""Publishing bundles: everything, the card included, in one commit on top of the one it was planned on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rknn_zoo_e2e.bundle.model import Bundle
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.hub.client import Outdated, hub_api, hub_errors, quiet_client
from rknn_zoo_e2e.hub.layout import sums_in
from rknn_zoo_e2e.progress import Progress, silent
from rknn_zoo_e2e.publishing.measurements import keep_measurements
from rknn_zoo_e2e.publishing.plan import Plan, Wishes, make_plan
from rknn_zoo_e2e.publishing.repo_state import look

MAX_ATTEMPTS = 4  # where others publish into the same repo at the same time


@dataclass(frozen=True)
class Outcome:
    """What was done: the commit, None where there was nothing to do, and the address to look at."""

    commit: str | None
    url: str


def apply(plan: Plan, on_stage: Progress) -> Outcome:
    """Makes the repo what the plan says, in one commit, or leaves it as it was.

    Raises:
        Outdated: somebody committed since the plan was made.
        UserError: no token, no permission, no network, a failing Hub.
    """
    api, wishes, repo = hub_api(), plan.wishes, plan.repo
    url = f"{api.endpoint}/{repo}"
    if not plan.changed and not plan.removed:
        return Outcome(None, url)
    operations = operations_of(plan)
    with hub_errors(repo):
        head = plan.state.head
        if head is None:
            on_stage("create", 0.0)
            api.create_repo(repo, private=wishes.private, exist_ok=True)
            fresh = look(repo, "main")
            if set(fresh.oids) - {".gitattributes"}:
                raise Outdated(f"{repo} was made by somebody else meanwhile.", "Run the same command again.")
            head = fresh.head
        if (
            not wishes.pull_request
            and wishes.branch != "main"
            and (plan.state.head is None or not plan.state.branch_exists)
        ):
            api.create_branch(repo, branch=wishes.branch, revision=head, exist_ok=True)
        on_stage("upload", 0.0)
        # The parent makes it a plan for this state alone: what others published meanwhile is never lost.
        made = api.create_commit(
            repo,
            operations,
            commit_message=message(plan),
            revision=wishes.branch if plan.state.branch_exists or not wishes.pull_request else "main",
            parent_commit=head,
            create_pr=wishes.pull_request,
        )
    return Outcome(made.oid, made.pr_url or made.commit_url)


def operations_of(plan: Plan) -> list[Any]:
    """What the client is to commit. Raises :class:`UserError` where a file is no longer the one of the plan."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    sums, operations = sums_in(plan.files), list[Any]()
    for path in plan.changed:
        content = plan.files[path]
        changed = UserError(f"{path} was changed while it was to be published.", "Run the same command again.")
        if isinstance(content, Path) and not content.is_file():
            raise changed
        adding = CommitOperationAdd(path, content if isinstance(content, bytes) else str(content))
        if sums.get(path, "") not in ("", adding.upload_info.sha256.hex()):
            raise changed
        operations.append(adding)
    return [CommitOperationDelete(path) for path in plan.removed] + operations


def message(plan: Plan) -> str:
    """The commit's summary."""
    folders = dict.fromkeys("/".join(path.split("/")[:3]) for path in plan.changed if "/" in path)
    what = ", ".join(folder.split("/", 1)[1].replace("/", " ") for folder in folders)
    return f"Publish {what}" if what else "Publish the model card"


def publish(
    bundles: Sequence[Bundle],
    repo: str,
    wishes: Wishes | None = None,
    agree: Callable[[Plan], bool] = lambda plan: True,
    on_stage: Progress = silent,
    say: Callable[[str], None] = lambda text: None,
) -> tuple[Plan, Outcome | None]:
    """Publishes bundles of one model; what boards measured of them is put into their folders first.

    Args:
        agree: told the plan before anything is done.
        say: told where another process, which is changing a bundle, is waited for.

    Returns:
        The plan, and what was done: None if ``agree`` said no.

    Raises:
        UserError: as :func:`make_plan` and :func:`apply`.
    """
    quiet_client()
    wishes, drawn = wishes or Wishes(), dict[str, bytes]()
    plan = make_plan(bundles, repo, wishes, on_stage, drawn)
    if not agree(plan):
        return plan, None
    for bundle in bundles:
        keep_measurements(bundle, wishes.measurements, say)
    for _ in range(MAX_ATTEMPTS - 1):
        try:
            return plan, apply(plan, on_stage)
        except Outdated:
            plan = make_plan(bundles, repo, wishes, on_stage, drawn)
    return plan, apply(plan, on_stage)
