"""Tells whether a checkpoint or bundle holds the weights of a model of the zoo, by their checksum.

A card's accuracy, licence and key points hold for the zoo's own file only, and a file's name proves nothing: people
call their own models yolov8n.pt, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rknn_zoo_e2e.bundle.model import ZOO_KEY, Bundle
from rknn_zoo_e2e.files.checksum import sha256
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.zoo.cards import ModelCard
from rknn_zoo_e2e.zoo.catalogue import catalogue
from rknn_zoo_e2e.zoo.fetch import records


@dataclass(frozen=True)
class Identity:
    """Whose weights they are.

    Attributes:
        card: the model of the zoo they are, or are said to be; None for the user's own.
        proven: their sha256 is pinned in the card, or was recorded when they were fetched from the card's source. Only
            then are the card's figures theirs.
    """

    card: ModelCard | None = None
    proven: bool = False

    @property
    def kind(self) -> str:
        """``zoo``: proven. ``named``: the user says so. ``own``: the user's own."""
        return "zoo" if self.proven else "named" if self.card else "own"

    @property
    def skeleton(self) -> tuple[tuple[int, int], ...]:
        """Joints the card names between these very key points; none where they are not known to be the card's."""
        return self.card.skeleton if self.card and self.proven else ()

    def contradicts(self, spec: ModelSpec) -> str:
        """What of a loaded model its card denies, in words; empty where they agree."""
        if self.card is None or (self.card.task, self.card.classes) == (spec.task, len(spec.names)):
            return ""
        return (
            f"a {spec.task} model of {len(spec.names)} classes, "
            f"and the zoo's {self.card.name} a {self.card.task} model of {self.card.classes}"
        )

    def fitting(self, spec: ModelSpec) -> Identity:
        """As it is known once the model is loaded: what its card denies is the user's own."""
        return OWN if self.contradicts(spec) else self


OWN = Identity()  # the user's own weights


def known_checksums(card: ModelCard) -> frozenset[str]:
    """sha256 of a model's own file: the one pinned in its card, else those of our fetches from the card's sources."""
    if card.sha256:
        return frozenset({card.sha256})
    record = records.read(card.name)
    theirs = [source.address for source in (card.hub, card.release) if source]
    return frozenset(record.checksums[one] for one in theirs if one in record.checksums) if record else frozenset()


def is_file_of(card: ModelCard, path: Path) -> bool:
    """Whether a file is proven to be the card's. It is read only where there is a checksum to compare with."""
    known = known_checksums(card)
    try:
        return bool(known) and sha256(path) in known
    except OSError:
        return False  # said where it is loaded


def identity_of_checksum(digest: str, name: str = "") -> Identity:
    """Whose weights have this sha256, whatever their file is called.

    Args:
        name: which of several models to prefer where they are the same file.
    """
    found = {card.name: card for card in catalogue().values() if digest in known_checksums(card)}
    card = found.get(name) or next(iter(found.values()), None)
    return Identity(card, card is not None)


def identity_of_file(path: Path) -> Identity:
    """Whose weights a file given by its path holds."""
    try:
        return identity_of_checksum(sha256(path), path.stem)
    except OSError:
        return OWN  # said where it is loaded


def identity_of_bundle(bundle: Bundle) -> Identity:
    """Whose weights a bundle was made from: by their checksum, else as its maker said when it was made."""
    found = identity_of_checksum(bundle.weights_sha256, bundle.spec.name)
    if not found.proven:
        found = Identity(catalogue().get(str(bundle.origin.get(ZOO_KEY))))
    return found.fitting(bundle.spec)
