"""Upright boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rknn_zoo_e2e.tasks.base import Task

if TYPE_CHECKING:
    from rknn_zoo_e2e.heads.detect import DetectTail


class DetectTask(Task):
    """Boxes and class scores: what all tasks share, and nothing more."""

    @classmethod
    def tail(cls) -> type[DetectTail]:
        from rknn_zoo_e2e.heads.detect import DetectTail

        return DetectTail
