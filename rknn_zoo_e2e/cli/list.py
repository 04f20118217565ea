"""``e2erknn list``: the models of the zoo."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.table import Table

from rknn_zoo_e2e.cli.ui.output import Output
from rknn_zoo_e2e.errors import UsageError
from rknn_zoo_e2e.tasks.registry import TASKS
from rknn_zoo_e2e.zoo import local_weights, matching, nearest
from rknn_zoo_e2e.zoo.cards import ModelCard

# What the column "weights" says of a file here, by whose weights it holds.
WEIGHTS_HERE = {"zoo": "here", "named": "here", "own": "yours", None: "-"}


def show_models(output: Output, pattern: str, task: str | None) -> None:
    """A table of the models that match, or the JSON document."""
    if task not in (None, *TASKS):
        raise UsageError(f"{task!r} is not a task.", f"Choose one of: {', '.join(TASKS)}.")
    cards = matching(pattern, task)
    if not cards:
        among = f" for task {task}" if task else ""
        raise UsageError(f"No model matches {pattern!r}{among}.", nearest(pattern))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)  # 80 columns hold it
    for heading in ("name", "task", "family", "size", "input", "params", "mAP", "license", "weights"):
        numeric = heading in ("input", "params", "mAP")
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=True)
    table.columns[0].min_width = max(len(card.name) for card in cards)  # whole on any terminal: it is what one types
    rows: list[dict[str, Any]] = []
    for card in cards:
        source = local_weights(card)
        identity = source.identity.kind if source else None
        params = f"{card.params / 1e6:.1f} M" if card.params else "-"
        cells = (card.size or "-", str(card.imgsz), params, accuracy(card), card.license)
        table.add_row(card.name, card.task, card.family, *cells, WEIGHTS_HERE[identity])
        keys = ("name", "task", "family", "size", "imgsz", "params", "gflops", "metrics", "license")
        rows.append({**{k: getattr(card, k) for k in keys}, "local": source is not None, "identity": identity})
    yours = [f"{row['name']}.pt" for row in rows if row["identity"] == "own"]
    said = f"Your own, and not what the figures are of: {', '.join(yours)}"
    output.emit(rows, table, *([said] if yours else []))


def accuracy(card: ModelCard) -> str:
    """The task's own mAP50-95 in per cent; mAP50, marked so, where only that is known."""
    found = card.metrics.get(TASKS[card.task].metric, {})
    if "map" in found:
        return f"{100 * found['map']:.1f}"
    return f"{100 * found['map50']:.1f} (50)" if found else "-"
