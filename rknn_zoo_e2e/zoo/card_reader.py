"""Reads model cards from ``models/*.yaml`` and checks them key by key.

A family's file names a ``base`` (``models/base/*.yaml``) it inherits from, of its tasks those that it names too; a task
overrides the family, a size its task, key by key. ``{name}`` in a source's file is the model's name.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rknn_zoo_e2e.files.validation import (
    Check,
    Invalid,
    UnknownKey,
    anything,
    choice,
    listed,
    mapping,
    nullable,
    number,
    text,
)
from rknn_zoo_e2e.files.yaml_data import read_yaml
from rknn_zoo_e2e.tasks.registry import TASKS
from rknn_zoo_e2e.zoo.cards import CardError, HubFile, ModelCard, ReleaseFile

TEXT = text(500)
COUNT = number(0, whole=True)
SHA256 = text(64, re.compile("([0-9a-f]{64})?"), "64 hexadecimal digits in lower case")
POINTS = listed(COUNT, 2, 2)
SOME_MAPPING = mapping({}, anything)
LARGEST_CARD_FILE = 1 << 20  # bytes; the longest has 5 KB


def keys(known: dict[str, Check], optional: frozenset[str] = frozenset(), others: Check | None = None) -> Check:
    """A mapping of a card, whose places are named as in ``yolo11.yaml: yolo11n: sources``."""
    return mapping(known, others, optional, ": ")


RELEASE = keys({"tag": TEXT, "file": TEXT})
SOURCES = keys(
    {"huggingface": nullable(keys({"repo": TEXT, "file": TEXT})), "release": nullable(RELEASE)},
    frozenset({"huggingface", "release"}),
)
METRIC = keys(dict.fromkeys(("map50", "map"), nullable(number())), frozenset({"map50", "map"}))


def a_task(value: Any, where: str) -> None:
    """One of the tasks that are registered by now."""
    choice(*TASKS)(value, where)


def by_kind(value: Any, where: str) -> None:
    """Figures by kind, of the kinds that tasks have by now."""
    kinds = dict.fromkeys((kind for facts in TASKS.values() for kind in facts.metrics), nullable(METRIC))
    keys(kinds, frozenset(kinds))(value, where)


REQUIRED: dict[str, Check] = {
    "task": a_task,
    "family": TEXT,
    "imgsz": number(whole=True),
    "license": TEXT,
}
OPTIONAL: dict[str, Check] = {
    # These three are for people; the checkpoint says the same.
    "author": nullable(TEXT),
    "source": nullable(TEXT),
    "kpt_names": nullable(listed(TEXT, 1000)),
    "names": nullable(listed(TEXT, 100_000)),
    "size": TEXT,
    "architecture": TEXT,
    "base_model": TEXT,
    "params": nullable(COUNT),
    "gflops": nullable(number(0)),
    "weights": nullable(TEXT),
    "sha256": SHA256,
    "sources": nullable(SOURCES),
    "kpt_shape": POINTS,
    "skeleton": listed(POINTS, 1000),
    "metrics": nullable(by_kind),
    "measured_on": TEXT,
}
CALIBRATION_SET = keys({"about": TEXT, "release": RELEASE})
TASK_OF_FAMILY = keys({"suffix": TEXT, "sizes": SOME_MAPPING}, others=anything)


def check(schema: Check, data: Any, where: str) -> None:
    """Raises :class:`CardError` where ``data`` does not fit, with the key that was probably meant."""
    try:
        schema(data, where)
    except UnknownKey as error:
        near = difflib.get_close_matches(error.key, error.known, 1)
        meant = f", did you mean {near[0]}?" if near else ""
        raise CardError(f"{error.where}: unknown key {error.key!r}{meant}") from None
    except Invalid as error:
        raise CardError(f"{error.where} must be {error.expected}, not {error.value!r}") from None
    except ValueError as error:
        raise CardError(str(error)) from None


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """``base`` with the keys of ``over``, mappings merged key by key."""
    both = {
        k: merged(base[k], v) if isinstance(v, dict) and isinstance(base.get(k), dict) else v for k, v in over.items()
    }
    return base | both


def read_with_base(path: Path) -> dict[str, Any]:
    """A file's mapping with what it inherits from its ``base``. Raises :class:`CardError` where it cannot be read."""
    try:
        data: dict[str, Any] = read_yaml(path, LARGEST_CARD_FILE)
    except (OSError, ValueError) as error:
        raise CardError(f"{path.name}: {error}") from error
    check(SOME_MAPPING, data, path.name)
    base = data.pop("base", None)
    if base is None:
        return data
    inherited = read_with_base(path.parent / "base" / f"{base}.yaml")
    if isinstance(named := data.get("tasks"), dict):
        inherited["tasks"] = {task: common for task, common in inherited.get("tasks", {}).items() if task in named}
    return merged(inherited, data)


def read_family(path: Path, sets: tuple[str, ...]) -> Iterator[ModelCard]:
    """The cards of one family file, which lists models by name, or tasks with their sizes.

    Args:
        sets: names of the calibration sets there are.

    Raises:
        CardError: a key is missing, unknown or not what it should be.
    """
    data = read_with_base(path)
    models, tasks = data.pop("models", {}), data.pop("tasks", {})
    check(SOME_MAPPING, models, f"{path.name}: models")
    check(SOME_MAPPING, tasks, f"{path.name}: tasks")
    for name, entry in models.items():
        check(SOME_MAPPING, entry, f"{path.name}: {name}")
        yield _card(path, name, merged(data, entry), sets)
    for task, common in tasks.items():
        check(TASK_OF_FAMILY, common, f"{path.name}: {task}")
        suffix, sizes = common.pop("suffix"), common.pop("sizes")
        for size, entry in sizes.items():
            check(SOME_MAPPING, entry, f"{path.name}: {task} {size}")
            whole = merged(merged(data, common), entry)
            yield _card(path, f"{data.get('family')}{size}{suffix}", {**whole, "task": task, "size": size}, sets)


def read_calibration_sets(path: Path) -> dict[str, ReleaseFile]:
    """Where each set of calibration pictures is, by name. Raises :class:`CardError` as :func:`read_family` does."""
    sets = {}
    for name, entry in read_with_base(path).items():
        check(CALIBRATION_SET, entry, f"{path.name}: {name}")
        sets[name] = ReleaseFile(**file_of(entry["release"], name))
    return sets


def _card(path: Path, name: str, data: dict[str, Any], sets: tuple[str, ...]) -> ModelCard:
    where = f"{path.name}: {name}"
    names = data.get("names")
    required = REQUIRED if names else {**REQUIRED, "classes": COUNT}
    optional = {**OPTIONAL, "calibration": nullable(choice("shapes", *sets))}
    check(keys({**required, **optional}, frozenset(optional)), data, where)
    weights, sources = data.get("weights"), data.get("sources") or {}
    metrics = {kind: values for kind, values in (data.get("metrics") or {}).items() if values is not None}
    card = ModelCard(
        name=name,
        task=data["task"],
        family=data["family"],
        size=data.get("size", ""),
        imgsz=data["imgsz"],
        license=data["license"],
        classes=len(names) if names else data["classes"],
        architecture=data.get("architecture", data["family"]),
        base_model=data.get("base_model", ""),
        params=data.get("params"),
        gflops=data.get("gflops"),
        calibration=data.get("calibration"),
        shipped=path.parent / weights if weights else None,
        sha256=data.get("sha256", ""),
        hub=HubFile(**file_of(sources["huggingface"], name)) if sources.get("huggingface") else None,
        release=ReleaseFile(**file_of(sources["release"], name)) if sources.get("release") else None,
        skeleton=tuple((a, b) for a, b in data.get("skeleton", [])),
        metrics={k: {name: v for name, v in values.items() if v is not None} for k, values in metrics.items()},
        measured_on=data.get("measured_on", ""),
    )
    for kind, values in card.metrics.items():
        if not all(0 <= value <= 1 for value in values.values()):
            raise CardError(f"{where}: metrics: {kind}: metrics lie between 0 and 1")
    if card.imgsz <= 0 or card.imgsz % 32:
        raise CardError(f"{where}: imgsz {card.imgsz} is not a multiple of 32")
    if not (card.shipped or card.hub or card.release):
        raise CardError(f"{where}: neither weights nor sources say where its checkpoint is")
    if card.shipped and not card.sha256:
        raise CardError(f"{where}: weights in the package need their sha256")
    points = data.get("kpt_shape", [0])[0]
    if not all(point < points for joint in card.skeleton for point in joint):
        raise CardError(f"{where}: the skeleton joins points that kpt_shape has not")
    return card


def file_of(source: dict[str, str], name: str) -> dict[str, str]:
    """A source with the model's name in that of its file."""
    return {**source, "file": source["file"].format(name=name)}
