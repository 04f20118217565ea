"""The zoo: model cards as data in ``models/*.yaml``, and what a MODEL argument means."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from rknn_zoo_e2e import weights
from rknn_zoo_e2e.errors import UsageError, UserError

PACKAGE = Path(__file__).parent
# Inside the wheel, or beside the package in a checkout.
MODELS = PACKAGE / "models" if (PACKAGE / "models").is_dir() else PACKAGE.parent / "models"


@dataclass(frozen=True)
class ModelCard:
    """One model of the zoo.

    Attributes:
        name: what users type.
        family: yolov8, yolo11, yolo26 or shapes.
        size: n, s, m, l, x; empty for a family of one size.
        imgsz: training input side, px.
        license: SPDX name.
        params: number of parameters, None where not recorded.
        classes: number of classes.
        calibration: the set it calibrates with when none is given ("shapes" draws its own), None to ask for one.
        shipped: weights inside the package, None if they are fetched or local.
        skeleton: joints between key points to draw.
        metrics: measured accuracy by kind, as the card's ``measured_on`` says.
    """

    name: str
    task: str
    family: str
    size: str
    imgsz: int
    license: str
    params: int | None = None
    classes: int | None = None
    calibration: str | None = None
    shipped: Path | None = None
    skeleton: tuple[tuple[int, int], ...] = ()
    metrics: dict[str, Any] = field(default_factory=dict)
    measured_on: str = ""

    def local_weights(self) -> Path | None:
        """Where its checkpoint lies on this machine, None if nowhere."""
        return self.shipped or weights.find(self.name)


@dataclass(frozen=True)
class Source:
    """A checkpoint to work on: its file, the name things made from it get, its card if it is of the zoo."""

    path: Path
    name: str
    card: ModelCard | None = None


def _family(path: Path) -> list[ModelCard]:
    """The cards of one family file: either models one by one, or sizes times tasks."""
    data = yaml.safe_load(path.read_text())
    common = {"family": data["family"], "license": data["license"], "calibration": data.get("calibration")}
    cards = []
    for name, m in data.get("models", {}).items():
        cards.append(
            ModelCard(
                name=name,
                task=m["task"],
                size="",
                imgsz=data["imgsz"],
                params=m.get("params"),
                classes=len(m["names"]),
                shipped=MODELS / m["weights"],
                skeleton=tuple((int(a), int(b)) for a, b in m.get("skeleton", ())),
                metrics=m.get("metrics", {}),
                measured_on=m.get("measured_on", ""),
                **common,
            )
        )
    for task, t in data.get("tasks", {}).items():
        for size in data.get("sizes", ()):
            name = f"{data['family']}{size}{t['suffix']}"
            cards.append(ModelCard(name, task, size=size, imgsz=t["imgsz"], classes=t["classes"], **common))
    return cards


@cache
def catalogue() -> dict[str, ModelCard]:
    """All cards by name, families in the order of their files."""
    cards: dict[str, ModelCard] = {}
    for path in sorted(MODELS.glob("*.yaml")):
        for card in _family(path):
            if card.name in cards:
                raise ValueError(f"{path}: {card.name} is already in the zoo")
            cards[card.name] = card
    return cards


def matching(pattern: str = "*", task: str | None = None) -> list[ModelCard]:
    """Cards whose name matches a shell pattern (a plain word matches anywhere in the name)."""
    glob = pattern if any(c in pattern for c in "*?[") else f"*{pattern}*"
    return [c for c in catalogue().values() if fnmatchcase(c.name, glob) and task in (None, c.task)]


def resolve(model: str) -> Source:
    """A zoo name or the path of a ``.pt`` file to its checkpoint.

    Raises:
        UserError: no such model, or its weights are not on this machine.
    """
    path = Path(model)
    if path.suffix == ".pt" or path.is_file():
        if not path.is_file():
            raise UsageError(f"{model} is not a file.", "Check the path, or see the zoo with: e2erknn list")
        return Source(path, path.stem, catalogue().get(path.stem))
    card = catalogue().get(model)
    if card is None:
        near = difflib.get_close_matches(model, catalogue(), 3, 0.5)
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        what = f"{model!r} is neither a model of the zoo nor a .pt file."
        raise UsageError(what, f"{hint}See the zoo with: e2erknn list")
    found = card.local_weights()
    if found is None:
        raise UserError(
            f"The weights of {model} are not on this machine.",
            f"Put {model}.pt into this folder or into the folder named by {weights.FOLDER_VARIABLE}.",
        )
    return Source(found, model, card)
