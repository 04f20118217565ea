"""Upright boxes."""

from __future__ import annotations

from rknn_zoo_e2e.tasks.base import Task


class DetectTask(Task):
    """Boxes and class scores: what all tasks share, and nothing more."""
