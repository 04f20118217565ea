"""The zoo: model cards as data in ``models/*.yaml``, and what a MODEL argument means."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from rknn_zoo_e2e import weights
from rknn_zoo_e2e.bundle import is_bundle
from rknn_zoo_e2e.card import CardError, Entry, ModelCard, ReleaseFile, read_family, read_yaml, release
from rknn_zoo_e2e.errors import UsageError
from rknn_zoo_e2e.fetch import Asset, Follow, cached, fetch, nobody

WILD = "*?["  # of shell patterns
BUILT = {".rknn", ".onnx", ".engine", ".tflite", ".torchscript"}  # endings of what is made from a checkpoint
PACKAGE = Path(__file__).parent
# Inside the wheel, or beside the package in a checkout.
MODELS = PACKAGE / "models" if (PACKAGE / "models").is_dir() else PACKAGE.parent / "models"


@dataclass(frozen=True)
class Source:
    """A checkpoint to work on.

    Attributes:
        path: its file.
        name: what things made from it are called.
        card: its card if it is of the zoo.
        official: it was asked for by its name in the zoo, so it is what the card says; a file of that name need not be.
        trusted: it may run code when it is loaded; the user said so.
    """

    path: Path
    name: str
    card: ModelCard | None = None
    official: bool = False
    trusted: bool = False


@cache
def calibration_sets() -> dict[str, ReleaseFile]:
    """Sets of pictures that can be fetched to calibrate with, by name."""
    path = MODELS / "base" / "calibration.yaml"
    found = {}
    for name, data in read_yaml(path).items():
        entry = Entry(f"{path.name}: {name}", data)
        entry.take("about", str)
        where = release(entry.entry("release"), name)
        entry.done()
        assert where is not None
        found[name] = where
    return found


@cache
def catalogue() -> dict[str, ModelCard]:
    """All cards by name, families in the order of their files. Raises :class:`CardError` for a wrong card."""
    cards: dict[str, ModelCard] = {}
    for path in sorted(MODELS.glob("*.yaml")):
        for card in read_family(path, tuple(calibration_sets())):
            if card.name in cards:
                raise CardError(f"{path.name}: {card.name} is already in the zoo")
            cards[card.name] = card
    return cards


def is_pattern(text: str) -> bool:
    """Whether it is a shell pattern, not a name."""
    return any(c in text for c in WILD)


def matching(pattern: str = "*", task: str | None = None) -> list[ModelCard]:
    """Cards whose name matches a shell pattern (a plain word matches anywhere in the name)."""
    glob = pattern if is_pattern(pattern) else f"*{pattern}*"
    return [c for c in catalogue().values() if fnmatchcase(c.name, glob) and task in (None, c.task)]


def nearest(name: str) -> str:
    """A hint naming models of the zoo that are spelled like ``name``, and where to see all."""
    near = difflib.get_close_matches(name, [*catalogue(), *calibration_sets()], 3, 0.5)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    return f"{hint}See the zoo with: e2erknn list"


def asset(name: str) -> Asset:
    """Where a model's checkpoint, or a calibration set, is fetched from. A set's archive is unpacked."""
    if name in calibration_sets():
        return Asset(name, name, None, calibration_sets()[name], archive=True)
    card = catalogue()[name]
    return Asset(name, f"{name}.pt", card.hub, card.release)


def local_weights(card: ModelCard) -> Path | None:
    """Where a model's checkpoint lies on this machine, None if nowhere.

    Those shipped; then the folder named by ``E2ERKNN_WEIGHTS``, the working folder, what was fetched before.
    """
    return card.shipped or weights.find(card.name) or cached(card.name)


def resolve(model: str, follow: Follow = nobody, trusted: bool = False) -> Source:
    """A zoo name or the path of a ``.pt`` file to its checkpoint, which is fetched if it is not on this machine.

    Args:
        follow: told how far fetching is.
        trusted: whether code in it may run.

    Raises:
        UserError: no such model, or its weights can neither be found nor fetched.
    """
    path = Path(model)
    there = os.path.isfile(path)  # which a name too long for a file does not upset
    if path.suffix == ".pt" or there:
        if not there:
            raise UsageError(f"{model} is not a file.", "Check the path, or see the zoo with: e2erknn list")
        if path.suffix in BUILT:
            home = path.absolute().parent
            fix = f"its bundle's folder, {home}" if is_bundle(home) else "the folder of a bundle"
            raise UsageError(
                f"{model} is a built model, not a checkpoint.", f"Give {fix}, or the .pt it was made from."
            )
        return Source(path, path.stem, catalogue().get(path.stem), trusted=trusted)
    card = catalogue().get(model)
    if card is None:
        raise UsageError(f"{model!r} is neither a model of the zoo nor a .pt file.", nearest(model))
    found = card.shipped or weights.find(model) or fetch(asset(model), follow).path
    return Source(found, model, card, official=True, trusted=trusted)
