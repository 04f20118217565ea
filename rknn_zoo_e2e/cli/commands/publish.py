"""``e2erknn publish``, as it is typed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rknn_zoo_e2e.cli.ui.failures import reporting_errors
from rknn_zoo_e2e.cli.ui.options import PATH, Debug, Json, Quiet
from rknn_zoo_e2e.cli.ui.output import Output


def publish(
    bundles: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[BUNDLE]...", help="Bundle folders. Default: the newest here.", parser=PATH["parser"]),
    ] = None,
    repo: Annotated[str | None, typer.Option(help="owner/name for all of them. Default: <you>/<bundle>.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the files and the card; change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    private: Annotated[bool, typer.Option("--private", help="If the repo has to be made, make it private.")] = False,
    branch: Annotated[str, typer.Option(help="Branch to commit to; made if it is not there.")] = "main",
    pr: Annotated[bool, typer.Option("--pr", help="Open a pull request instead of committing.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Remove what the repo holds of another model, weights or input size.")
    ] = False,
    sample: Annotated[
        Path | None,
        typer.Option(help="Picture for the card, to draw on. Default: one that fits, if there is one.", **PATH),
    ] = None,
    draw: Annotated[bool, typer.Option("--draw/--no-draw", help="Draw a picture for the card.")] = True,
    measured: Annotated[
        list[Path] | None,
        typer.Option(help="What bench --save wrote on a board, for metadata and card. Once for each file.", **PATH),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Publish bundles on the Hugging Face Hub: files, checksums and a model card, in one commit.

    What the repo holds for other SoCs stays. Log in first with: hf auth login (or set HF_TOKEN).

    Example: e2erknn publish yolov8n_rknn_model --repo me/yolov8n-rknn --dry-run
    """
    with reporting_errors(Output(json, quiet, debug), locals()) as output:
        from rknn_zoo_e2e.cli.publish import publish_bundles

        publish_bundles(
            output,
            bundles=bundles,
            repo=repo,
            dry_run=dry_run,
            yes=yes,
            private=private,
            branch=branch,
            pr=pr,
            replace=replace,
            sample=sample,
            draw=draw,
            measured=measured,
        )
