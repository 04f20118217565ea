"""``e2erknn fetch``: weights and calibration pictures into the cache."""

from __future__ import annotations

from typing import Any

import typer
from rich.table import Table

from rknn_zoo_e2e.cli.ui.output import Output
from rknn_zoo_e2e.cli.ui.progress import StageProgress
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.zoo import (
    asset,
    calibration_sets,
    catalogue,
    find_card,
    is_pattern,
    matching,
    nearest,
    shipped_file,
)
from rknn_zoo_e2e.zoo.fetch import Fetched, fetch_all


def fetch_models(output: Output, models: list[str]) -> None:
    """Fetches all of them and shows where each lies; exits 1 if one could not be had."""
    names = [name for model in models for name in names_meant(model)]
    shipped = [card for name in names if (card := catalogue().get(name)) and card.shipped]
    rest = list(dict.fromkeys(name for name in names if name not in {card.name for card in shipped}))
    with StageProgress(output) as progress:
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
    output.emit(document, *([table] if document["models"] else []))
    for failure in failed.values():
        output.error(failure)
    if failed:
        raise typer.Exit(1)


def names_meant(model: str) -> list[str]:
    """The models a name or a shell pattern means, or a calibration set.

    Raises:
        UsageError: nothing is called that.
    """
    card = find_card(model)
    if card or model.lower() in calibration_sets():
        return [card.name if card else model.lower()]
    found = [card.name for card in matching(model)] if is_pattern(model) else []
    if not found:
        raise UsageError(f"{model!r} is not a model of the zoo.", nearest(model))
    return found
