"""What boards measured, into the bundles that are published: each file to the artifact it was made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rknn_zoo_e2e.boards.probe import runs_on
from rknn_zoo_e2e.bundle.measurement import MOST_MEASUREMENTS
from rknn_zoo_e2e.bundle.measurement_file import MEASURE, entry_of, read_measurement, subject
from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.bundle.numbers import change_artifact
from rknn_zoo_e2e.errors import UserError

Measurements = Mapping[str, Sequence[dict[str, Any]]]  # entries of ``measured`` by the artifact's checksum


def read_measurements(paths: Iterable[Path], bundles: Sequence[Bundle]) -> Measurements:
    """What such files say of artifacts of these bundles.

    Raises:
        UserError: one is none of those files, or was made from no artifact of these.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for path in paths:
        document = read_measurement(path)
        check_subject(path, document, bundles)
        found.setdefault(document["artifact"]["sha256"], []).append(entry_of(document))
    return found


def check_subject(path: Path, document: Mapping[str, Any], bundles: Sequence[Bundle]) -> None:
    """Raises :class:`UserError` unless a file is about an artifact of these bundles, and agrees with what it is."""
    told, made_from, board = document["model"], document["artifact"], document["board"]["soc"]
    same = [(b, a) for b in bundles for a in b.artifacts if a.sha256 == made_from["sha256"]]
    if not same:
        names = ", ".join(str(bundle.path) for bundle in bundles)
        raise UserError(
            f"{path} was measured with another build than those of {names}: {told['name']}, {made_from['soc']} "
            f"{made_from['precision']}, SHA-256 {made_from['sha256'][:12]}....",
            f"Give the bundle it was measured with, or measure this one on the board with: {MEASURE}",
        )
    wrong = [fact for b, a in same for fact in contradicted(document, subject(b, a))]
    if wrong or not runs_on(made_from["soc"], board):
        raise UserError(
            f"{path} contradicts the artifact it names ({', '.join(wrong) or f'an {board} does not run it'}).",
            f"Ask for the file as it was written, or measure again on the board with: {MEASURE}",
        )


def contradicted(told: Mapping[str, Any], known: Mapping[str, Any]) -> list[str]:
    """Facts of a ``.rknn`` that a file has otherwise. Others may call the model otherwise, or save its weights anew."""
    facts = [("artifact", key) for key in known["artifact"]] + [("model", key) for key in ("task", "contract", "imgsz")]
    return [key for part, key in facts if told[part][key] != known[part][key]]


def with_measurements(
    artifact: Artifact, measurements: Measurements, published: Sequence[dict[str, Any]] = ()
) -> Artifact:
    """The artifact with what was measured of it; the same again is there once.

    Args:
        published: what its repo holds already, which comes first: boards' owners may have added to it there.

    Raises:
        UserError: a bundle with so many could not be read again.
    """
    every = [*published, *artifact.measured, *measurements.get(artifact.sha256, ())]
    held = [one for index, one in enumerate(every) if one not in every[:index]]
    if len(held) > MOST_MEASUREMENTS:
        raise UserError(
            f"{artifact.file} would have {len(held)} measurements, more than {MOST_MEASUREMENTS}.",
            "Leave some --measured out.",
        )
    return replace(artifact, measured=held)


def keep_measurements(bundle: Bundle, measurements: Measurements, say: Callable[[str], None]) -> None:
    """Writes them into a bundle's folder, so that it says what is published of it.

    Args:
        say: told where another process is waited for.

    Raises:
        UserError: it cannot be written.
    """

    def change(artifact: Artifact) -> Mapping[str, bytes]:
        artifact.measured = with_measurements(artifact, measurements).measured
        return {}

    for artifact in bundle.artifacts:
        if with_measurements(artifact, measurements) != artifact:
            try:
                change_artifact(bundle.path, artifact.sha256, "publish", say, change)
            except UserError as error:
                raise UserError(error.what, "Copy the bundle to where you may write, and publish that.") from error
