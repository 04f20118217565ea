"""Which checkpoint a MODEL argument means."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rknn_zoo_e2e.bundle.model import Bundle
from rknn_zoo_e2e.bundle.reader import is_bundle
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.files.checksum import sha256
from rknn_zoo_e2e.progress import Progress, silent
from rknn_zoo_e2e.zoo import weights
from rknn_zoo_e2e.zoo.cards import ModelCard
from rknn_zoo_e2e.zoo.catalogue import asset, find_card, nearest
from rknn_zoo_e2e.zoo.fetch import cached, fetch
from rknn_zoo_e2e.zoo.identity import OWN, Identity, identity_of_bundle, identity_of_file, is_file_of

BUILT_SUFFIXES = {".rknn", ".onnx", ".engine", ".tflite", ".torchscript"}  # endings of what is made from a checkpoint


@dataclass(frozen=True)
class Source:
    """A checkpoint to work on.

    Attributes:
        path: its file.
        name: what things made from it are called.
        identity: whose weights it holds.
        trusted: it may run code when it is loaded; the user said so.
        passed_over: a file of that name in the working folder, which is not the zoo's and was not taken.
    """

    path: Path
    name: str
    identity: Identity = OWN
    trusted: bool = False
    passed_over: Path | None = None


def resolve(model: str, progress: Progress = silent, trusted: bool = False) -> Source:
    """A zoo name or the path of a ``.pt`` file to its checkpoint, which is fetched if it is not on this machine.

    A name means the zoo's own file first, wherever it lies, and only then a file of that name in the working folder.

    Args:
        progress: told how far fetching is.
        trusted: whether code in it may run.

    Raises:
        UserError: no such model, or its weights can neither be found nor fetched.
    """
    path = Path(os.path.expanduser(model))
    if os.path.isfile(path):  # which a name too long for a file does not upset
        return replace(_given(path), trusted=trusted)
    if "://" in model:
        raise UsageError(f"{model} is an address, not a file.", "Download the .pt it leads to, and give its path.")
    if model.startswith("hf:"):
        fix = f"To run it: e2erknn demo IMAGE --model {model}; to convert, give the .pt it was made from."
        raise UsageError(f"{model} is a bundle on the Hub, not a checkpoint.", fix)
    if path.suffix.lower() == ".pt":
        raise _no_such_file(model)
    card = find_card(model)
    if card is None and os.path.isdir(path):
        raise _folder(path)
    if card is None:
        raise UsageError(f"{model!r} is neither a model of the zoo nor a .pt file.", nearest(model))
    if card.shipped:
        return Source(shipped_file(card), card.name, Identity(card, proven=True), trusted)
    found = local_weights(card)
    if found is None or found.path == cached(asset(card.name)):
        path = fetch(asset(card.name), progress).path  # of a cached one it checks that it is unchanged
        found = replace(found, path=path) if found else Source(path, card.name, Identity(card, proven=True))
    return replace(found, trusted=trusted)


def shipped_file(card: ModelCard) -> Path:
    """The checkpoint inside the package. Raises :class:`UserError` where it is not the one its card names."""
    assert card.shipped is not None
    if not is_file_of(card, card.shipped):
        raise UserError(
            f"{card.shipped} is not the file its card names: it was changed, or copied in part.",
            f"Install e2erknn again, or convert it as your own by its path with --calib: {card.shipped}",
        )
    return card.shipped


def local_weights(card: ModelCard) -> Source | None:
    """What a model's name means on this machine, None where it has to be fetched.

    The file that is shipped; in the folder named by ``E2ERKNN_WEIGHTS`` the file called so; in the working folder the
    zoo's own file; what was fetched before; in the working folder any file called so.
    """
    proven = Identity(card, proven=True)
    if card.shipped:
        return Source(card.shipped, card.name, proven)
    if named := weights.in_named_folder(card.name):
        return Source(named, card.name, Identity(card, is_file_of(card, named)))
    here = weights.in_working_folder(card.name)
    if here and is_file_of(card, here):
        return Source(here, card.name, proven)
    if kept := cached(asset(card.name)):
        return Source(kept, card.name, proven, passed_over=here)
    return Source(here, card.name, identity_of_file(here)) if here else None


def said_of_other(source: Source) -> str:
    """What to say where a name was taken for the zoo's file and the working folder has another."""
    return f"{source.name} is the zoo's, {source.path}; for your own file of that name give ./{source.passed_over}"


def same_weights(bundle: Bundle, progress: Progress = silent, trusted: bool = False) -> Source:
    """The very checkpoint a bundle was made from, fetched where it is the zoo's and not on this machine.

    Raises:
        UserError: it cannot be had; files of that name may hold anything.
    """
    card = identity_of_bundle(bundle).card
    for path in _candidates(bundle, card):
        if sha256(path) == bundle.weights_sha256:
            return Source(path, bundle.spec.name, identity_of_file(path), trusted)
    if card and not card.shipped:
        found = fetch(asset(card.name), progress)
        if found.sha256 == bundle.weights_sha256:
            return Source(found.path, bundle.spec.name, Identity(card, proven=True), trusted)
    raise UserError(
        f"The checkpoint {bundle.path} was made from is not here: no {bundle.spec.name}.pt has its sha256 "
        f"({bundle.weights_sha256[:12]}...).",
        "Give the .pt it was made from instead of the bundle, or choose --backend onnx, which runs its fp32 graph.",
    )


def _candidates(bundle: Bundle, card: ModelCard | None) -> Iterator[Path]:
    """Files that may be what a bundle was made from, which is said to be the card's."""
    name = bundle.spec.name
    source = local_weights(card) if card else None
    places = [source.path if source else None, weights.in_named_folder(name), weights.in_working_folder(name)]
    for path in dict.fromkeys([*places, bundle.path.absolute().parent / f"{name}.pt"]):
        if path and os.access(path, os.R_OK) and path.is_file():
            yield path


def _given(path: Path) -> Source:
    """A file given by its path."""
    if path.suffix.lower() in BUILT_SUFFIXES:
        home = path.absolute().parent
        fix = f"its bundle's folder, {home}" if is_bundle(home) else "the folder of a bundle"
        raise UsageError(f"{path} is a built model, not a checkpoint.", f"Give {fix}, or the .pt it was made from.")
    return Source(path, path.stem, identity_of_file(path))


def _folder(path: Path) -> UsageError:
    """What to say of a folder, which may be that of a training run or of a bundle."""
    if is_bundle(path):
        return UsageError(f"{path} is a bundle, not a checkpoint.", "Give the .pt it was made from.")
    best = [path / "weights" / "best.pt", path / "best.pt"]  # where Ultralytics puts it
    inside = [file for file in (*best, *sorted(path.glob("*.pt"))) if file.is_file()]
    fix = f"Give the checkpoint in it: {inside[0]}" if inside else "Give a .pt file, or a name: e2erknn list"
    return UsageError(f"{path} is a folder, not a checkpoint.", fix)


def _no_such_file(model: str) -> UsageError:
    """What to say of a ``.pt`` that is not there: Ultralytics' users type ``yolov8n.pt`` for what is fetched."""
    path = Path(model)
    card = find_card(path.stem)
    check = "" if path.name == model else "Check the path. "
    fix = f"The zoo's model is named without .pt: {card.name}" if card else nearest(path.stem)
    return UsageError(f"{model} is not a file.", check + fix)
