"""Whether two things are the same: bytes, documents, arrays. A difference is a :class:`Verdict`, never an exception."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Set
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# What may differ between two builds of one commit, by key of metadata.yaml and of the JSON documents.
VOLATILE = frozenset({"date", "versions", "seconds", "stages", "sha256", "log_sha256", "fingerprint"})
WORD = 4  # bytes; addresses lie at multiples of it in a .rknn, and are written in one or two of them
CLOSE = 0.02  # share by which the size of a .rknn may change with the lengths of names
MOST_SHOWN = 4  # differences told of one check


class Verdict(NamedTuple):
    """Whether two things are equal, and what there is to say of it."""

    equal: bool
    what: str = "equal"


def verdict(differences: list[str]) -> Verdict:
    """Equal where there are no differences, else the first of them."""
    if not differences:
        return Verdict(True)
    more = f"; {len(differences) - MOST_SHOWN} more" if len(differences) > MOST_SHOWN else ""
    return Verdict(False, "; ".join(differences[:MOST_SHOWN]) + more)


def compare_bytes(old: bytes, new: bytes) -> Verdict:
    """Two files that have to be equal to the last byte."""
    if len(old) != len(new):
        return Verdict(False, f"{len(old):,} -> {len(new):,} bytes")
    return verdict([f"{count:,} bytes differ"] if (count := len(unequal(old, new))) else [])


def unequal(one: bytes, two: bytes) -> NDArray[Any]:
    """Positions at which two files of one size differ."""
    return np.flatnonzero(np.frombuffer(one, np.uint8) != np.frombuffer(two, np.uint8))


def compare_rknn(old: bytes, again: bytes, new: bytes) -> Verdict:
    """A ``.rknn`` against that of the old commit, but for the bytes in which two builds of the old commit differ.

    Those are addresses the compiler leaves in the file. Two random addresses may agree in a byte and a third not: a
    byte outside the mask, but in one word with a byte of it, is counted and told but no difference.
    """
    if len(old) != len(again):
        return Verdict(False, f"two builds of OLD have {len(old):,} and {len(again):,} bytes: there is no mask")
    if len(old) != len(new):
        return Verdict(False, f"{len(old):,} -> {len(new):,} bytes")
    mask = unequal(old, again)
    outside = np.setdiff1d(unequal(old, new), mask)
    beside = np.isin(outside // WORD, mask // WORD)
    said = f"mask of {len(mask):,} of {len(old):,} bytes"
    if beside.any():
        said += f", {beside.sum()} further bytes in words of the mask"
    if stray := outside[~beside].tolist():
        return Verdict(False, f"{len(stray):,} bytes differ outside a {said}, first at {stray[0]:,}")
    return Verdict(True, f"equal outside a {said}")


def compare_sizes(old: bytes, new: bytes) -> Verdict:
    """A ``.rknn`` whose tensors have other names: only its size can be compared."""
    change = f"{len(old):,} -> {len(new):,} bytes ({len(new) - len(old):+,})"
    return Verdict(abs(len(new) - len(old)) <= CLOSE * len(old), change)


def compare_documents(old: Any, new: Any, ignored: Set[str] = VOLATILE) -> Verdict:
    """Two JSON or YAML documents but for the values of some keys; the order of keys counts."""
    old, new = blanked(old, ignored), blanked(new, ignored)
    found = list(differences(old, new))
    if not found and json.dumps(old) != json.dumps(new):
        found = ["the order of keys, or a type"]
    return verdict(found)


def blanked(document: Any, keys: Set[str]) -> Any:
    """A document without the values of some keys, wherever they stand; of a value that is a mapping the keys stay."""
    if isinstance(document, dict):
        return {key: emptied(value) if key in keys else blanked(value, keys) for key, value in document.items()}
    return [blanked(value, keys) for value in document] if isinstance(document, list) else document


def emptied(value: Any) -> Any:
    """The keys of a mapping, nothing of anything else."""
    return {key: emptied(inner) for key, inner in value.items()} if isinstance(value, dict) else None


def differences(old: Any, new: Any, where: str = "") -> Iterator[str]:
    """Where two documents differ, such as "artifacts[0].placement.cycles: 12 -> 13"."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            path = f"{where}.{key}" if where else str(key)
            if key in old and key in new:
                yield from differences(old[key], new[key], path)
            else:
                yield f"{path}: only in {'OLD' if key in old else 'NEW'}"
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, two) in enumerate(zip(old, new, strict=True)):
            yield from differences(one, two, f"{where}[{index}]")
    elif old != new:
        yield f"{where or 'all of it'}: {json.dumps(old)[:60]} -> {json.dumps(new)[:60]}"


def compare_arrays(old: Mapping[str, NDArray[Any]], new: Mapping[str, NDArray[Any]]) -> Verdict:
    """Raw outputs by name, equal in every bit of every value."""
    if not old or list(old) != list(new):
        return Verdict(False, f"{len(old)} arrays -> {len(new)}, or called otherwise")
    return verdict([said for name in old if (said := array_difference(name, old[name], new[name]))])


def array_difference(name: str, old: NDArray[Any], new: NDArray[Any]) -> str:
    """How two arrays differ, "" if they do not."""
    if (old.shape, old.dtype) != (new.shape, new.dtype):
        return f"{name}: {old.dtype} {old.shape} -> {new.dtype} {new.shape}"
    if old.tobytes() == new.tobytes():
        return ""
    return f"{name}: {(old != new).mean():.2%} of values, by {np.abs(old - new).max():.3g} at most"
