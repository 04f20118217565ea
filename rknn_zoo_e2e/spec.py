"""What one model is: the facts every stage after loading needs, and their form in ``metadata.yaml``."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from rknn_zoo_e2e.document import text
from rknn_zoo_e2e.errors import UsageError

MOST_CLASSES = 20_000
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
        nms_free: its head gives one box an object (YOLO26's one-to-one head), so nothing is suppressed.
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
        }
        if self.kpt_shape:
            data["kpt_shape"] = list(self.kpt_shape)
            data["skeleton"] = [list(pair) for pair in self.skeleton]
        if self.masks:
            data["masks"] = self.masks
        return data

    def class_ids(self, wanted: Iterable[int | str]) -> tuple[int, ...]:
        """Ids of classes given by id or name. Raises :class:`UsageError` for one the model does not have."""
        ids = {name.casefold(): index for index, name in reversed([*enumerate(self.names)])}
        asked = [str(one).casefold() for one in wanted]
        found = [int(one) if one.isdecimal() else ids.get(one, -1) for one in asked]
        unknown = [one for one, index in zip(asked, found, strict=True) if not 0 <= index < len(self.names)]
        if unknown:
            near = [ids[name] for name in difflib.get_close_matches(unknown[0], ids, 3)]
            listed = ", ".join(f"{index} {self.names[index]}" for index in near or range(len(self.names[:20])))
            hint = f"Did you mean {listed}?" if near else f"It has {len(self.names)}: {listed}."
            raise UsageError(f"{self.name} has no class {', '.join(unknown)}.", hint)
        return tuple(found)

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
        )


def check_names(names: Iterable[Any]) -> None:
    """Raises ValueError unless class names can be printed, one a line."""
    count = 0
    for count, name in enumerate(names, 1):
        CLASS_NAME(name, f"the name of class {count - 1}")
    if not 0 < count <= MOST_CLASSES:
        raise ValueError(f"there are {count} classes")


def check_imgsz(imgsz: tuple[int, int], stride: int = 32) -> None:
    """Raises :class:`UsageError` unless both sides are positive multiples of the stride."""
    if any(side <= 0 or side % stride for side in imgsz):
        nearest = [max(stride, round(side / stride) * stride) for side in imgsz]
        raise UsageError(
            f"--imgsz {imgsz[0]},{imgsz[1]} is not a multiple of the stride {stride}.",
            f"Use --imgsz {nearest[0]}{f',{nearest[1]}' if nearest[0] != nearest[1] else ''}.",
        )
