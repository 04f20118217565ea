"""Which tail decodes which of Ultralytics' head classes."""

from __future__ import annotations

from dataclasses import replace

from torch import nn
from ultralytics.nn.modules.head import OBB, OBB26, Detect, Pose, Pose26, Segment, Segment26, v10Detect

from rknn_zoo_e2e.heads.detect import DetectTail
from rknn_zoo_e2e.heads.grid import Grid
from rknn_zoo_e2e.heads.obb import Obb26Tail, ObbTail
from rknn_zoo_e2e.heads.pose import Pose26Tail, PoseTail
from rknn_zoo_e2e.heads.segment import Segment26Tail, SegmentTail

# By the exact class: others that come from one of these (YOLO-World, YOLOE, ...) share its attributes, not its decode.
TAILS: dict[type[nn.Module], type[DetectTail]] = {
    Detect: DetectTail,
    v10Detect: DetectTail,
    Pose: PoseTail,
    Pose26: Pose26Tail,
    Segment: SegmentTail,
    Segment26: Segment26Tail,
    OBB: ObbTail,
    OBB26: Obb26Tail,
}


def register(head: type[nn.Module], tail: type[DetectTail]) -> None:
    """Has heads of one more class decoded by a tail. Raises ValueError where the class has one already."""
    if head in TAILS:
        raise ValueError(f"{head.__name__} heads are decoded by {TAILS[head].__name__}")
    TAILS[head] = tail


def normalised_tail(head: nn.Module, grid: Grid, layout: str, floats: bool) -> DetectTail:
    """The tail of this head, whose boxes are normalised to the input."""
    return known_tail(head)(head, grid, layout, floats)


def pixel_tail(head: nn.Module, grid: Grid, layout: str, floats: bool) -> DetectTail:
    """The tail of this head, whose boxes are in px of the input."""
    return normalised_tail(head, replace(grid, pixels=True), layout, floats)


def tail_of(head: nn.Module) -> type[DetectTail] | None:
    """The tail that decodes this head; None where no tail is known to."""
    return TAILS.get(type(head))


def known_tail(head: nn.Module) -> type[DetectTail]:
    """The tail of a head that was found to have one."""
    tail = tail_of(head)
    assert tail is not None, f"no tail for a {type(head).__name__} head"
    return tail
