"""What the compiler says of a zoo model's build, known without building it: ``models/measured/NAME.yaml``.

A file states a layout, and by SoC the placement, as a bundle does, but for the number of operators on the NPU. Builds
are INT8, at the size the model was trained at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rknn_zoo_e2e.boards.soc import LAYOUTS, SAME_FILES, SOCS
from rknn_zoo_e2e.files.validation import choice, listed, number, text
from rknn_zoo_e2e.files.yaml_data import read_yaml
from rknn_zoo_e2e.zoo.card_reader import LARGEST_CARD_FILE, check, keys
from rknn_zoo_e2e.zoo.cards import CardError, ModelCard
from rknn_zoo_e2e.zoo.catalogue import MODELS

COUNT = number(0, whole=True)
PLACEMENT = keys({"cpu": listed(keys({"op": text(), "shape": text()}), 10_000), "traffic_kb": COUNT, "cycles": COUNT})
MEASURED = keys(
    {"layout": choice(*LAYOUTS), "placement": keys(dict.fromkeys(SOCS, PLACEMENT), optional=frozenset(SOCS))}
)


@dataclass(frozen=True)
class Measured:
    """The layout of a build, and where its operators run, with traffic and cycles (``boards.speed.Cost``)."""

    layout: str
    placement: dict[str, Any]


def find_measured(card: ModelCard, soc: str) -> Measured | None:
    """What is known of a model on a SoC, or on one that runs its files; None where nothing is.

    Raises:
        CardError: the file says something that cannot be.
    """
    path = MODELS / "measured" / f"{card.name}.yaml"
    if not path.exists():
        return None
    try:
        data = read_yaml(path, LARGEST_CARD_FILE)
    except (OSError, ValueError) as error:
        raise CardError(f"{path.name}: {error}") from error
    check(MEASURED, data, path.name)
    names = next((pair for pair in SAME_FILES if soc in pair), (soc,))
    found = next((data["placement"][name] for name in names if name in data["placement"]), None)
    return Measured(data["layout"], found) if found else None
