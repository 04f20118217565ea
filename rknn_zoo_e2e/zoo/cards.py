"""Model cards: what ``models/*.yaml`` say, checked key by key.

A family's file names a ``base`` (``models/base/*.yaml``) it inherits from; a task of it overrides the family, a size
its task, key by key. ``{name}`` in a source's file is the model's name.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from rknn_zoo_e2e.tasks.registry import TASKS


class CardError(ValueError):
    """A card is wrong: the message names the file, the model and the key."""


@dataclass(frozen=True)
class HubFile:
    """A file of a Hugging Face repository."""

    repo: str
    file: str

    @property
    def address(self) -> str:
        """As it is recorded and shown."""
        return f"hf:{self.repo}/{self.file}"


@dataclass(frozen=True)
class ReleaseFile:
    """A file of a release of Ultralytics' assets."""

    tag: str
    file: str

    @property
    def address(self) -> str:
        """As it is recorded and shown."""
        return f"release:{self.tag}/{self.file}"


@dataclass(frozen=True)
class ModelCard:
    """One model of the zoo.

    Attributes:
        name: what users type.
        family: yolov8, yolo11, yolo26 or shapes.
        size: n, s, m, l, x; empty for a family of one size.
        imgsz: training input side, px.
        license: SPDX name.
        architecture: the family of layers it is made of.
        base_model: Hugging Face repository of the model it is, empty for those trained here.
        params: number of parameters, None where not recorded.
        gflops: 1e9 floating-point operations for one picture of ``imgsz``, None where not recorded.
        classes: number of classes.
        calibration: the set it calibrates with when none is given ("shapes" draws its own), None to ask for one.
        shipped: weights inside the package, None if they are fetched or local.
        sha256: of its checkpoint; empty where it is not known, then the first fetch is trusted.
        hub, release: where its checkpoint can be fetched, in this order; None where it is not.
        skeleton: joints between key points to draw.
        metrics: measured accuracy (0..1) by kind, as ``measured_on`` says.
    """

    name: str
    task: str
    family: str
    size: str
    imgsz: int
    license: str
    classes: int
    architecture: str
    base_model: str = ""
    params: int | None = None
    gflops: float | None = None
    calibration: str | None = None
    shipped: Path | None = None
    sha256: str = ""
    hub: HubFile | None = None
    release: ReleaseFile | None = None
    skeleton: tuple[tuple[int, int], ...] = ()
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    measured_on: str = ""


class Entry:
    """A mapping being read: every key is taken once with its type, and what is left is unknown."""

    def __init__(self, where: str, data: Any) -> None:
        if not isinstance(data, dict):
            raise CardError(f"{where} must be a mapping, not {data!r}")
        self.where, self.data = where, dict(data)
        self.known: list[str] = []

    def take(self, key: str, kind: type | tuple[type, ...], default: Any = ...) -> Any:
        """The value of ``key``; without a default it must be there."""
        self.known.append(key)
        value = self.data.pop(key, default)
        if value is ...:
            raise CardError(f"{self.where}: {key} is missing")
        if value is not default and (not isinstance(value, kind) or isinstance(value, bool)):
            kinds = " or ".join(k.__name__ for k in (kind if isinstance(kind, tuple) else (kind,)))
            raise CardError(f"{self.where}: {key} must be {kinds}, not {value!r}")
        return value

    def choose(self, key: str, choices: tuple[str, ...], default: Any = ...) -> Any:
        """The value of ``key``, one of the choices."""
        value = self.take(key, str, default)
        if value is not default and value not in choices:
            raise CardError(f"{self.where}: {key} must be one of {', '.join(choices)}, not {value!r}")
        return value

    def entry(self, key: str, default: Any = ...) -> Entry | None:
        """The mapping under ``key``."""
        value = self.take(key, dict, default)
        return None if value is None else Entry(f"{self.where}: {key}", value)

    def done(self) -> None:
        """Raises :class:`CardError` for the first key nobody took."""
        for key in self.data:
            near = difflib.get_close_matches(str(key), self.known, 1)
            raise CardError(f"{self.where}: unknown key {key!r}" + (f", did you mean {near[0]}?" if near else ""))


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """``base`` with the keys of ``over``, mappings merged key by key."""
    both = {
        k: merged(base[k], v) if isinstance(v, dict) and isinstance(base.get(k), dict) else v for k, v in over.items()
    }
    return base | both


def read_yaml(path: Path) -> dict[str, Any]:
    """A file's mapping with what it inherits from its ``base``."""
    try:
        data = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise CardError(f"{path.name}: {error}") from error
    data = Entry(path.name, data).data
    base = data.pop("base", None)
    return data if base is None else merged(read_yaml(path.parent / "base" / f"{base}.yaml"), data)


def read_family(path: Path, sets: tuple[str, ...]) -> Iterator[ModelCard]:
    """The cards of one family file, which lists models by name, or tasks with their sizes.

    Args:
        sets: calibration sets there are.

    Raises:
        CardError: a key is missing, unknown or not what it should be.
    """
    data = read_yaml(path)
    models, tasks = data.pop("models", {}), data.pop("tasks", {})
    for name, entry in models.items():
        yield _card(path, name, merged(data, entry), sets)
    for task, common in tasks.items():
        about = Entry(f"{path.name}: {task}", common)
        suffix, sizes = about.take("suffix", str), about.take("sizes", dict)
        for size, entry in sizes.items():
            whole = merged(merged(data, about.data), Entry(f"{path.name}: {task} {size}", entry).data)
            yield _card(path, f"{data.get('family')}{size}{suffix}", {**whole, "task": task, "size": size}, sets)


def _card(path: Path, name: str, data: dict[str, Any], sets: tuple[str, ...]) -> ModelCard:
    entry = Entry(f"{path.name}: {name}", data)
    for key, kind in {"author": str, "source": str, "kpt_names": list}.items():
        entry.take(key, kind, None)  # for people; the checkpoint says it too
    names, weights = entry.take("names", list, None), entry.take("weights", str, None)
    family = entry.take("family", str)
    sources = entry.entry("sources", None)
    points = entry.take("kpt_shape", list, [0])[0]
    card = ModelCard(
        name=name,
        task=entry.choose("task", tuple(TASKS)),
        family=family,
        size=entry.take("size", str, ""),
        imgsz=entry.take("imgsz", int),
        license=entry.take("license", str),
        classes=len(names) if names else entry.take("classes", int),
        architecture=entry.take("architecture", str, family),
        base_model=entry.take("base_model", str, ""),
        params=entry.take("params", int, None),
        gflops=entry.take("gflops", (int, float), None),
        calibration=entry.choose("calibration", ("shapes", *sets), None),
        shipped=path.parent / weights if weights else None,
        sha256=entry.take("sha256", str, ""),
        hub=_hub(sources, name) if sources else None,
        release=release(sources.entry("release", None), name) if sources else None,
        skeleton=tuple((int(a), int(b)) for a, b in entry.take("skeleton", list, [])),
        metrics=_metrics(entry.entry("metrics", None)),
        measured_on=entry.take("measured_on", str, ""),
    )
    for left in (entry, sources):
        if left:
            left.done()
    if card.imgsz <= 0 or card.imgsz % 32:
        raise CardError(f"{entry.where}: imgsz {card.imgsz} is not a multiple of 32")
    if not (card.shipped or card.hub or card.release):
        raise CardError(f"{entry.where}: neither weights nor sources say where its checkpoint is")
    if card.sha256 and not re.fullmatch("[0-9a-f]{64}", card.sha256):
        raise CardError(f"{entry.where}: sha256 must be 64 hexadecimal digits in lower case, not {card.sha256!r}")
    if card.shipped and not card.sha256:
        raise CardError(f"{entry.where}: weights in the package need their sha256")
    if not all(0 <= point < points for joint in card.skeleton for point in joint):
        raise CardError(f"{entry.where}: the skeleton joins points that kpt_shape has not")
    return card


def _hub(sources: Entry, name: str) -> HubFile | None:
    entry = sources.entry("huggingface", None)
    if entry is None:
        return None
    found = HubFile(entry.take("repo", str), entry.take("file", str).format(name=name))
    entry.done()
    return found


def release(entry: Entry | None, name: str) -> ReleaseFile | None:
    """The release's file an entry names."""
    if entry is None:
        return None
    found = ReleaseFile(entry.take("tag", str), entry.take("file", str).format(name=name))
    entry.done()
    return found


def _metrics(entry: Entry | None) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    kinds = dict.fromkeys(kind for task in TASKS.values() for kind in task.metrics)
    for kind in kinds if entry else ():
        values = entry.entry(kind, None) if entry else None
        if values is None:
            continue
        found[kind] = {k: v for k in ("map50", "map") if (v := values.take(k, (int, float), None)) is not None}
        values.done()
        if not all(0 <= v <= 1 for v in found[kind].values()):
            raise CardError(f"{values.where}: metrics lie between 0 and 1")
    if entry:
        entry.done()
    return found
