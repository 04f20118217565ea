"""What is known of a zoo model's builds without building them: ``models/measured/NAME.yaml``.

By SoC and layout a row of what the compiler says of the INT8 build at the size the model was trained at: where its
operators run but for how many the NPU has, traffic, cycles; or why it cannot be built; and the seconds that took.
Beside them what INT8 keeps of the accuracy, where that was measured. ``scripts/zoo_table.py`` writes these files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rknn_zoo_e2e.boards.soc import LAYOUTS, SAME_FILES, SOCS
from rknn_zoo_e2e.files.validation import choice, listed, number, text
from rknn_zoo_e2e.files.yaml_data import read_yaml
from rknn_zoo_e2e.tasks.registry import TASKS
from rknn_zoo_e2e.zoo.card_reader import LARGEST_CARD_FILE, check, keys
from rknn_zoo_e2e.zoo.cards import CardError, ModelCard
from rknn_zoo_e2e.zoo.catalogue import MODELS

COUNT = number(0, whole=True)
SECONDS = number(0)
FIGURE = keys(
    {
        "cycles": COUNT,
        "traffic_kb": COUNT,
        "cpu": listed(keys({"op": text(), "shape": text()}), 10_000),
        "seconds": SECONDS,
    }
)
FAILURE = keys({"error": text(500), "seconds": SECONDS})


def row(value: Any, where: str) -> None:
    """One build: figures, or the reason why there are none."""
    (FAILURE if isinstance(value, dict) and "error" in value else FIGURE)(value, where)


def a_metric(value: Any, where: str) -> None:
    """One of the kinds of accuracy that tasks have by now."""
    choice(*dict.fromkeys(kind for facts in TASKS.values() for kind in facts.metrics))(value, where)


# mAP50-95 x 100 of fp32 and INT8 on the same pictures; ``low`` and ``high`` are bounds (95 %) of INT8 in per cent of
# fp32. ``seconds`` is what it took to measure.
RETENTION = keys(
    {
        "metric": a_metric,
        "soc": choice(*SOCS),
        "images": COUNT,
        **dict.fromkeys(("fp32", "int8", "low", "high"), number(0, 1000)),
        "seconds": SECONDS,
    }
)
BY_LAYOUT = keys(dict.fromkeys(LAYOUTS, row), optional=frozenset(LAYOUTS))
MEASURED = keys(
    {
        "toolkit": text(),
        "recipe": COUNT,
        "builds": keys(dict.fromkeys(SOCS, BY_LAYOUT), optional=frozenset(SOCS)),
        "retention": RETENTION,
    },
    optional=frozenset({"retention"}),
)


@dataclass(frozen=True)
class Measured:
    """The layout of a build, and where its operators run, with traffic and cycles (``boards.speed.Cost``)."""

    layout: str
    placement: dict[str, Any]


def file_of(name: str) -> Path:
    """The file of a model, which may not be there."""
    return MODELS / "measured" / f"{name}.yaml"


def read_measured(name: str) -> dict[str, Any]:
    """What the file of a model says; empty where there is none.

    Raises:
        CardError: it says something that cannot be.
    """
    path = file_of(name)
    if not path.exists():
        return {}
    try:
        data: dict[str, Any] = read_yaml(path, LARGEST_CARD_FILE)
    except (OSError, ValueError) as error:
        raise CardError(f"{path.name}: {error}") from error
    check(MEASURED, data, path.name)
    return data


def find_row(data: dict[str, Any], soc: str, layout: str) -> dict[str, Any] | None:
    """Of a file's rows the one of a SoC, or of one that runs its files; None where it was not built."""
    names = next((pair for pair in SAME_FILES if soc in pair), (soc,))
    rows = data.get("builds", {})
    return next((rows[name][layout] for name in names if layout in rows.get(name, {})), None)


def find_measured(card: ModelCard, soc: str, layout: str | None = None) -> Measured | None:
    """What is known of a model on a SoC, or on one that runs its files; None where nothing is.

    Args:
        layout: "flat" or "grid"; None for what is built for the SoC where none is asked for.

    Raises:
        CardError: the file says something that cannot be.
    """
    layout = layout or SOCS[soc].layout
    found = find_row(read_measured(card.name), soc, layout)
    if found is None or "error" in found:
        return None
    return Measured(layout, {key: found[key] for key in ("cpu", "traffic_kb", "cycles")})
