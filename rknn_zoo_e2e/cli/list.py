"""``e2erknn list``: the models of the zoo."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.table import Table

from rknn_zoo_e2e.boards.speed import Prediction, predict, predictable
from rknn_zoo_e2e.cli.ui.output import Output
from rknn_zoo_e2e.cli.ui.soc import soc_named
from rknn_zoo_e2e.errors import UsageError
from rknn_zoo_e2e.tasks.registry import TASKS
from rknn_zoo_e2e.zoo import find_measured, local_weights, matching, nearest
from rknn_zoo_e2e.zoo.cards import ModelCard

# What the column "weights" says of a file here, by whose weights it holds.
WEIGHTS_HERE = {"zoo": "here", "named": "here", "own": "yours", None: "-"}
SPEED = "predicted ms"
COLUMNS = ("name", "task", "family", "size", "input", "params", "mAP", "license", "weights")
COLUMNS_OF_SOC = ("name", "task", "size", "input", "params", "mAP", SPEED, "weights")  # 80 columns hold either
NUMERIC = ("input", "params", "mAP", SPEED)
KEYS = ("name", "task", "family", "size", "imgsz", "params", "gflops", "metrics", "license")


def show_models(output: Output, pattern: str, task: str | None, soc: str | None) -> None:
    """A table of the models that match, or the JSON document; where a SoC is named, with speeds predicted for it."""
    if task not in (None, *TASKS):
        raise UsageError(f"{task!r} is not a task.", f"Choose one of: {', '.join(TASKS)}.")
    soc = soc_named(soc, output)
    cards = matching(pattern, task)
    if not cards:
        among = f" for task {task}" if task else ""
        raise UsageError(f"No model matches {pattern!r}{among}.", nearest(pattern))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    columns = COLUMNS_OF_SOC if soc else COLUMNS
    for heading in columns:
        table.add_column(heading, justify="right" if heading in NUMERIC else "left", no_wrap=True)
    table.columns[0].min_width = max(len(card.name) for card in cards)  # whole on any terminal: it is what one types
    rows: list[dict[str, Any]] = []
    said: dict[str, list[str]] = {}  # what is behind predictions -> models
    for card in cards:
        source = local_weights(card)
        identity = source.identity.kind if source else None
        row = {**{k: getattr(card, k) for k in KEYS}, "local": source is not None, "identity": identity}
        cells = {
            **{key: row[key] or "-" for key in ("name", "task", "family", "size", "license")},
            **{"input": str(card.imgsz), "mAP": accuracy(card), "weights": WEIGHTS_HERE[identity], SPEED: "-"},
            "params": f"{card.params / 1e6:.1f} M" if card.params else "-",
        }
        if soc:
            row["predicted"] = None
            if found := speed(card, soc):
                layout, predicted = found
                row["predicted"] = {"soc": soc, "layout": layout, **predicted.report()}
                cells[SPEED] = f"{predicted.ms:.1f} ({predicted.low:.0f}-{predicted.high:.0f})"
                said.setdefault(f"layout {layout}, one core, inference alone; {predicted.basis}", []).append(card.name)
        table.add_row(*(cells[heading] for heading in columns))
        rows.append(row)
    yours = [f"{row['name']}.pt" for row in rows if row["identity"] == "own"]
    lines = [f"Your own, and not what the figures are of: {', '.join(yours)}"] if yours else []
    output.emit(rows, table, *lines, *(explained(soc, said, rows) if soc else ()))


def explained(soc: str, said: dict[str, list[str]], rows: list[dict[str, Any]]) -> list[str]:
    """What the predictions in the table mean, and how to get those that are not there.

    Args:
        said: what is behind predictions -> the models with it.
        rows: of the JSON.
    """
    if not predictable(soc):
        return [f"Nothing is predicted on {soc}: Rockchip publishes no speeds for it."]
    lines = []
    for basis, names in said.items():
        which = f", {', '.join(names)}" if len(said) > 1 else ""
        lines.append(f"Predicted on {soc}{which}: INT8, {basis}.")
    if unknown := [row["name"] for row in rows if not row["predicted"]]:
        count = f"{len(unknown)} of {len(rows)} models are predicted"
        lines.append(f"{count} once they are built: e2erknn convert {unknown[0]} --soc {soc}")
    return lines


def speed(card: ModelCard, soc: str) -> tuple[str, Prediction] | None:
    """The layout and the predicted speed of a model's INT8 build; None where nothing is known of it."""
    known = find_measured(card, soc)
    predicted = predict(soc, "int8", known.placement) if known else None
    return (known.layout, predicted) if known and predicted else None


def accuracy(card: ModelCard) -> str:
    """The task's own mAP50-95 in per cent; mAP50, marked so, where only that is known."""
    found = card.metrics.get(TASKS[card.task].metric, {})
    if "map" in found:
        return f"{100 * found['map']:.1f}"
    return f"{100 * found['map50']:.1f} (50)" if found else "-"
