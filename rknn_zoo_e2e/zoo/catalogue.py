"""The catalogue of all model cards (``models/*.yaml``), and how their names may be spelt."""

from __future__ import annotations

import difflib
import re
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from rknn_zoo_e2e.zoo.card_reader import read_calibration_sets, read_family
from rknn_zoo_e2e.zoo.cards import CardError, ModelCard, ReleaseFile
from rknn_zoo_e2e.zoo.fetch import Asset

WILD = "*?["  # characters that make a name a shell pattern
PACKAGE = Path(__file__).parent.parent
# Inside the wheel, or beside the package in a checkout.
MODELS = PACKAGE / "models" if (PACKAGE / "models").is_dir() else PACKAGE.parent / "models"


@cache
def calibration_sets() -> dict[str, ReleaseFile]:
    """Sets of pictures that can be fetched to calibrate with, by name."""
    return read_calibration_sets(MODELS / "base" / "calibration.yaml")


@cache
def catalogue() -> dict[str, ModelCard]:
    """All cards by name, families in the order of their files. Raises :class:`CardError` for a wrong card."""
    cards: dict[str, ModelCard] = {}
    pinned: dict[str, str] = {}
    for path in sorted(MODELS.glob("*.yaml")):
        for card in read_family(path, tuple(calibration_sets())):
            if card.name in cards:
                raise CardError(f"{path.name}: {card.name} is already in the zoo")
            if card.sha256 and pinned.setdefault(card.sha256, card.name) != card.name:
                raise CardError(f"{path.name}: {card.name} has the sha256 of {pinned[card.sha256]}")
            cards[card.name] = card
    return cards


def find_card(name: str) -> ModelCard | None:
    """The card of a name as people type it, upper or lower case; None where the zoo has no such model."""
    return catalogue().get(name.lower())


def is_pattern(text: str) -> bool:
    """Whether it is a shell pattern, not a name."""
    return any(c in text for c in WILD)


def matching(pattern: str = "*", task: str | None = None) -> list[ModelCard]:
    """Cards whose name matches a shell pattern (a plain word matches anywhere in the name), case aside."""
    glob = (pattern if is_pattern(pattern) else f"*{pattern}*").lower()
    return [c for c in catalogue().values() if fnmatchcase(c.name, glob) and task in (None, c.task)]


def spelling(name: str) -> str:
    """What spellings of one name have in common: ``YOLO8n``, ``yolo_v8-n`` and ``yolov8n`` are one.

    So are ``yolov5n`` and ``yolov5nu``, as Ultralytics calls it with its own head.
    """
    letters = re.sub(r"[^a-z0-9]", "", name.lower().removesuffix(".pt"))
    whole = re.sub(r"segment(ation)?$", "seg", re.sub(r"^(yolov?|v)(?=\d)", "yolo", letters))
    return re.sub(r"^(yolo[35](?!\d).*)u$", r"\1", whole)


def nearest(name: str) -> str:
    """A hint naming models of the zoo that are spelled like ``name``, and where to see all."""
    names = [*catalogue(), *calibration_sets()]
    alike = [one for one in names if spelling(one) == spelling(name)]
    near = alike or difflib.get_close_matches(name.lower().removesuffix(".pt"), names, 3, 0.5)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    return f"{hint}See the zoo with: e2erknn list"


def asset(name: str) -> Asset:
    """Where a model's checkpoint, or a calibration set, is fetched from. A set's archive is unpacked."""
    if name in calibration_sets():
        return Asset(name, name, None, calibration_sets()[name], archive=True)
    card = catalogue()[name]
    return Asset(name, f"{name}.pt", card.hub, card.release, sha256=card.sha256)
