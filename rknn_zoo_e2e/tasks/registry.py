"""The four tasks: one adapter each answers for its outputs, decoding and drawing. Nothing here imports torch."""

from __future__ import annotations

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.tasks.base import Task
from rknn_zoo_e2e.tasks.detect import DetectTask
from rknn_zoo_e2e.tasks.obb import ObbTask
from rknn_zoo_e2e.tasks.pose import PoseTask
from rknn_zoo_e2e.tasks.segment import SegmentTask
from rknn_zoo_e2e.tasks.spec import ModelSpec

TASKS: dict[str, type[Task]] = {task.name: task for task in (DetectTask, PoseTask, SegmentTask, ObbTask)}


def task_of(spec: ModelSpec) -> Task:
    """The adapter for a model. Raises :class:`UserError` for a task this tool does not do."""
    if spec.task not in TASKS:
        raise UserError(f"Task {spec.task!r} cannot be converted.", f"Use a model for one of: {', '.join(TASKS)}.")
    return TASKS[spec.task](spec)
