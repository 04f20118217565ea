"""What one model is: the facts every stage after loading needs, and their form in ``metadata.yaml``."""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from rknn_zoo_e2e.errors import UsageError
from rknn_zoo_e2e.files.validation import text

MOST_CLASSES = 20_000
LARGEST_SIDE = 8192  # of an input, px
IMGSZ = re.compile(r"\s*([0-9]{1,9})\s*(?:[x,]\s*([0-9]{1,9})\s*)?", re.IGNORECASE)
CLASS_NAME = text(200)


@dataclass(frozen=True)
class ModelSpec:
    """One model's shape.

    Attributes:
        name: stem of the bundle and its files.
        task: detect, pose, segment or obb.
        names: class names by index.
        imgsz: input (height, width) in px.
        stride: the largest, px.
        kpt_shape: (points, values) of a pose model; values is 2 (x, y) or 3 (x, y, visibility).
        skeleton: pairs of key points to join when drawing.
        masks: prototypes of a segment model.
        nms_free: its head gives one box an object (one-to-one, as YOLOv10's and YOLO26's), so nothing is suppressed.
        contract: whose program reads its outputs (:mod:`rknn_zoo_e2e.tasks.contract`).
        levels: pyramid levels of its head; the coarsest has the stride, each finer one half of it.
        bins: of which its head gives each side of a box a distribution; 1 where it gives the side itself.
        notes: what was put right while the checkpoint was read, a sentence each; not kept in a bundle.
    """

    name: str
    task: str
    names: tuple[str, ...]
    imgsz: tuple[int, int]
    stride: int = 32
    kpt_shape: tuple[int, int] | None = None
    skeleton: tuple[tuple[int, int], ...] = ()
    masks: int = 0
    nms_free: bool = False
    contract: str = "ultralytics"
    levels: int = 3
    bins: int = 16
    notes: tuple[str, ...] = field(default=(), compare=False)

    def to_metadata(self) -> dict[str, Any]:
        """Ultralytics' keys (its AutoBackend reads them), then ours."""
        data: dict[str, Any] = {
            # Not "model": Ultralytics makes every key an attribute of its backend, where that is the loaded network.
            "name": self.name,
            "task": self.task,
            "stride": self.stride,
            "batch": 1,
            "channels": 3,
            "imgsz": list(self.imgsz),
            "names": dict(enumerate(self.names)),
            # Boxes come undecided, (1, C, A): Ultralytics must not take them for its own (1, 300, 6).
            "end2end": False,
            "nms_free": self.nms_free,
            "contract": self.contract,
            "levels": self.levels,
            "bins": self.bins,
        }
        if self.kpt_shape:
            data["kpt_shape"] = list(self.kpt_shape)
            data["skeleton"] = [list(pair) for pair in self.skeleton]
        if self.masks:
            data["masks"] = self.masks
        return data

    def class_ids(self, wanted: int | str | Iterable[int | str]) -> tuple[int, ...]:
        """Ids of classes given by id or name, or by several of them with commas between.

        A text that is a name means that class, even if it holds a comma or is a number.

        Raises:
            UsageError: one the model does not have, or none at all.
        """
        ids = {name.casefold(): index for index, name in reversed([*enumerate(self.names)])}
        ids |= {name: index for index, name in reversed([*enumerate(self.names)])}
        asked = list(wanted) if isinstance(wanted, Iterable) and not isinstance(wanted, str) else [wanted]
        words = [word for one in asked for word in (split(one, ids) if isinstance(one, str) else [one])]
        found = [self._class_id(word, ids) for word in words]
        unknown = [str(word) for word, index in zip(words, found, strict=True) if index is None]
        if unknown or not found:
            near = [ids[name] for word in unknown[:1] for name in difflib.get_close_matches(word.casefold(), ids, 3)]
            listed = ", ".join(f"{i} {self.names[i]}" for i in dict.fromkeys(near) or range(len(self.names[:20])))
            hint = f"Did you mean {listed}?" if near else f"It has {len(self.names)}: {listed}."
            raise UsageError(f"{self.name} has no class {', '.join(unknown) or 'without a name'}.", hint)
        return tuple(dict.fromkeys(index for index in found if index is not None))

    def _class_id(self, word: int | str, ids: dict[str, int]) -> int | None:
        """The id of one class by name, case aside, or by id; None if there is none."""
        if isinstance(word, str):
            named = ids.get(word, ids.get(word.casefold()))
            if named is not None:
                return named
            if not (word.isascii() and word.isdecimal()):
                return None
        try:
            index = int(word) if isinstance(word, str) else operator.index(word)
        except (TypeError, ValueError):  # no whole number; more digits than Python reads
            return None
        return index if 0 <= index < len(self.names) and not isinstance(word, bool) else None

    @classmethod
    def from_metadata(cls, data: dict[str, Any]) -> ModelSpec:
        """Raises KeyError, TypeError or ValueError where ``data`` is not such metadata."""
        names = data["names"]
        height, width = data["imgsz"]
        kpt = data.get("kpt_shape")
        return cls(
            name=str(data["name"]),
            task=str(data["task"]),
            names=tuple(str(names[i]) for i in range(len(names))),
            imgsz=(int(height), int(width)),
            stride=int(data["stride"]),
            kpt_shape=(int(kpt[0]), int(kpt[1])) if kpt else None,
            skeleton=tuple((int(a), int(b)) for a, b in data.get("skeleton", ())),
            masks=int(data.get("masks", 0)),
            nms_free=bool(data.get("nms_free", False)),
            contract=str(data.get("contract", "ultralytics")),
            levels=int(data.get("levels", 3)),
            bins=int(data.get("bins", 16)),
        )


def check_names(names: Iterable[Any]) -> None:
    """Raises ValueError unless class names can be printed, one a line."""
    count = 0
    for count, name in enumerate(names, 1):
        CLASS_NAME(name, f"the name of class {count - 1}")
    if not 0 < count <= MOST_CLASSES:
        raise ValueError(f"there are {count} classes")


def split(text: str, known: Iterable[str] = ()) -> list[str]:
    """The words of a list somebody typed, with commas between them; a known word may hold commas of its own."""
    names, parts, words = {name.casefold() for name in known}, text.split(","), list[str]()
    while parts:
        lengths = range(len(parts), 1, -1)
        length = next((n for n in lengths if ",".join(parts[:n]).strip().casefold() in names), 1)
        words.append(",".join(parts[:length]).strip())
        parts = parts[length:]
    return [word for word in words if word]


def read_imgsz(given: object) -> tuple[int, int] | None:
    """The input (height, width) in px that somebody means by ``640``, ``"480,640"``, ``"480x640"`` or ``(480, 640)``.

    Raises:
        UsageError: it is none of these.
    """
    if given is None:
        return None
    match = IMGSZ.fullmatch(given) if isinstance(given, str) else None
    sides: list[Any] = [given]
    if match:
        sides = [int(side) for side in match.groups() if side]
    elif isinstance(given, Iterable) and not isinstance(given, (str, bytes)):
        sides = list(given)
    try:
        whole = [operator.index(side) for side in sides if not isinstance(side, bool)]
    except TypeError:
        whole = []
    if len(whole) not in (1, 2) or len(whole) < len(sides):
        raise UsageError(
            f"{str(given)[:40]!r} is not an input size.", "Give a side (640) or height,width (480,640) in px."
        )
    return whole[0], whole[-1]


def check_imgsz(imgsz: tuple[int, int], stride: int = 32) -> None:
    """Raises :class:`UsageError` unless both sides are positive multiples of the stride, and not too large."""
    if any(side <= 0 or side % stride or side > LARGEST_SIDE for side in imgsz):
        most = LARGEST_SIDE // stride
        nearest = [min(max(1, round(side / stride)), most) * stride for side in imgsz]
        fault = (
            f"larger than {LARGEST_SIDE} px" if max(imgsz) > LARGEST_SIDE else f"not a multiple of the stride {stride}"
        )
        raise UsageError(
            f"--imgsz {imgsz[0]},{imgsz[1]} is {fault}.",
            f"Use --imgsz {nearest[0]}{f',{nearest[1]}' if nearest[0] != nearest[1] else ''}.",
        )
