"""``e2erknn publish``: bundles onto the Hugging Face Hub."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer

from rknn_zoo_e2e.bundle.reader import MAKE_ONE, newest, read_bundle
from rknn_zoo_e2e.cli.ui.output import Output
from rknn_zoo_e2e.cli.ui.progress import StageProgress
from rknn_zoo_e2e.cli.ui.tables import measurement_line
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.hub.client import check_repo_name, require_hub
from rknn_zoo_e2e.publishing.measurements import read_measurements
from rknn_zoo_e2e.publishing.plan import Plan, Wishes, default_repo, size
from rknn_zoo_e2e.publishing.publish import Outcome
from rknn_zoo_e2e.publishing.publish import publish as run


def publish_bundles(
    output: Output,
    bundles: list[Path] | None,
    repo: str | None,
    dry_run: bool,
    yes: bool,
    private: bool,
    branch: str,
    pr: bool,
    replace: bool,
    sample: Path | None,
    draw: bool,
    measured: list[Path] | None,
) -> None:
    """Plans a commit to each repo, asks, and publishes; with ``dry_run`` only shows the plan and the card."""
    require_hub()
    if repo is not None:
        check_repo_name(repo)
    found = bundles or [path for path in [newest(Path())] if path]
    if not found:
        raise UserError("There is no bundle in this folder.", MAKE_ONE)
    read = [read_bundle(path) for path in found]
    jobs = [(repo, read)] if repo else [(default_repo(bundle), [bundle]) for bundle in read]
    boards = read_measurements(measured or (), read)
    for artifact in [artifact for bundle in read for artifact in bundle.artifacts]:
        for one in boards.get(artifact.sha256, ()):
            output.note(measurement_line(artifact, one))
    wishes = Wishes(branch, private, pr, replace, sample, draw, boards)
    documents: list[dict[str, Any]] = []
    lines: list[str] = []
    for name, together in jobs:
        with StageProgress(output) as progress:

            def agree(plan: Plan, progress: StageProgress = progress) -> bool:
                progress.pause()
                return not dry_run and (not (plan.changed or plan.removed) or yes or ask(plan, output))

            plan, outcome = run(together, name, wishes, agree, progress.of(name), output.note)
        documents.append(document(plan, outcome, dry_run))
        lines += [*plan_lines(plan), *(["", plan.card] if dry_run else []), outcome_line(plan, outcome, dry_run)]
    output.emit({"published": documents}, "\n".join(lines))


def plan_lines(plan: Plan) -> list[str]:
    """A line a file: what is new or changed, what is the same, what stays, what is removed."""
    new, on = plan.state.head is None, f", branch {plan.wishes.branch}" if plan.wishes.branch != "main" else ""
    kind = "a new private repo" if new and plan.wishes.private else "a new repo" if new else "an existing repo"
    lines = [f"{plan.repo} ({kind}{on})"]
    for path, content in sorted(plan.files.items()):
        state = "unchanged" if path not in plan.changed else "changed" if path in plan.state.oids else "new"
        lines.append(f"  {state:<9}  {size(content):>12,}  {path}")
    lines += [f"  {'stays':<9}  {'':>12}  {folder}/" for folder in plan.kept]
    return lines + [f"  {'removed':<9}  {'':>12}  {path}" for path in plan.removed]


def ask(plan: Plan, output: Output) -> bool:
    """Whether the user agrees. Raises :class:`UsageError` where there is nobody to ask."""
    if not sys.stdin.isatty():
        raise UsageError("Nothing was published: there is no terminal to ask on.", "Say --yes, or look with --dry-run.")
    for line in plan_lines(plan):
        output.note(line)
    what = "Open a pull request with" if plan.wishes.pull_request else "Publish"
    return typer.confirm(f"{what} {len(plan.changed)} files ({plan.bytes / 1e6:.1f} MB)?", err=True)


def outcome_line(plan: Plan, outcome: Outcome | None, dry_run: bool) -> str:
    """What was published, and where, or why nothing was."""
    if dry_run:
        what = f"{len(plan.changed)} files, {plan.bytes / 1e6:.1f} MB" if plan.changed or plan.removed else "nothing"
        return f"Dry run: would publish {what}; nothing was changed."
    if outcome is None:
        return "Nothing was published."
    if outcome.commit is None:
        return f"{plan.repo} holds all of this already: nothing to do."
    if plan.wishes.pull_request:
        return f"Proposed: {outcome.url}"
    example = plan.repo if plan.wishes.branch == "main" else f"{plan.repo}@{plan.wishes.branch}"
    return f"Published: {outcome.url}\nNext, on the board: e2erknn demo IMAGE --model hf:{example}"


def document(plan: Plan, outcome: Outcome | None, dry_run: bool) -> dict[str, Any]:
    """The JSON of one repo."""
    facts = plan.report() | {"dry_run": dry_run, "commit": outcome.commit if outcome else None}
    return facts | ({"card": plan.card} if dry_run else {"url": outcome.url if outcome else None})
