"""``e2erknn fetch``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from rknn_zoo_e2e.cli.ui.output import Debug, Json, Quiet, emit, show_error


def fetch(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="Zoo names or shell patterns; coco128, dota128: pictures.")
    ],
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Fetch weights into the cache: from Hugging Face, else from Ultralytics' release.

    Other commands do it by themselves.

    HF_ENDPOINT, HF_TOKEN, HF_HOME and HF_HUB_OFFLINE are honoured; E2ERKNN_RELEASES names a mirror of the releases.

    Example: e2erknn fetch yolov8n 'yolo11n*' coco128
    """
    from rich.table import Table

    from rknn_zoo_e2e.cli.ui.progress import StageProgress
    from rknn_zoo_e2e.errors import UserError
    from rknn_zoo_e2e.zoo import asset, catalogue, shipped_file
    from rknn_zoo_e2e.zoo.fetch import Fetched, fetch_all

    names = [name for model in models for name in wanted(model)]
    shipped = [card for name in names if (card := catalogue().get(name)) and card.shipped]
    rest = list(dict.fromkeys(name for name in names if name not in {card.name for card in shipped}))
    with StageProgress() as progress:
        done = fetch_all([asset(name) for name in rest], progress)
    results: dict[str, Fetched | UserError] = dict(zip(rest, done, strict=True))
    for card in shipped:
        try:
            results[card.name] = Fetched(card.name, shipped_file(card), card.sha256, "shipped", True)
        except UserError as error:
            results[card.name] = error
    table = Table()
    for heading in ("name", "source", "sha256", "path"):
        table.add_column(heading, overflow="fold")
    document: dict[str, Any] = {"models": []}
    failed: dict[str, UserError] = {}
    for name in dict.fromkeys(names):
        found = results[name]
        if isinstance(found, UserError):
            failed[name] = found
            continue
        keys = ("name", "sha256", "source", "cached")
        document["models"].append({**{k: getattr(found, k) for k in keys}, "path": str(found.path)})
        source = found.source + (" (was here)" if found.cached else "")
        table.add_row(name, source, f"{found.sha256[:12]}...", str(found.path))
    if failed:
        document["failed"] = {name: {"what": e.what, "fix": e.fix} for name, e in failed.items()}
    emit(document, *([table] if document["models"] else []))
    for failure in failed.values():
        show_error(failure)
    if failed:
        raise typer.Exit(1)


def wanted(model: str) -> list[str]:
    """The models a name or a shell pattern means, or a calibration set.

    Raises:
        UsageError: nothing is called that.
    """
    from rknn_zoo_e2e.errors import UsageError
    from rknn_zoo_e2e.zoo import calibration_sets, find_card, is_pattern, matching, nearest

    card = find_card(model)
    if card or model.lower() in calibration_sets():
        return [card.name if card else model.lower()]
    found = [card.name for card in matching(model)] if is_pattern(model) else []
    if not found:
        raise UsageError(f"{model!r} is not a model of the zoo.", nearest(model))
    return found
