"""The tasks: what is true of each, and where its outputs are decoded. Nothing here imports numpy or torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from rknn_zoo_e2e.errors import UserError

if TYPE_CHECKING:
    from rknn_zoo_e2e.tasks.base import Task
    from rknn_zoo_e2e.tasks.spec import ModelSpec


@dataclass(frozen=True)
class TaskFacts:
    """What is true of one task. Names of classes are ``module:class``, imported when they are first needed.

    Attributes:
        name: as Ultralytics calls it, and as a bundle's metadata has it.
        adapter: the class of :class:`~rknn_zoo_e2e.tasks.base.Task` that knows its outputs and decodes them.
        validator: Ultralytics' class that measures its accuracy.
        metrics: the kinds of accuracy that are measured, each with its letter in Ultralytics' result keys; the last
            one is the task's own.
        pipeline_tag: what the Hub calls the task.
        card_line: what the Python of a model card prints last, an expression of its ``result``.
        cpp_line: what the C++ of a model card prints of each detection ``d`` beyond its box, a statement.
        keypoints: its models have key points, and say how many (``kpt_shape``).
        prototypes: its models have mask prototypes, and say how many (``masks``).
        corners: Ultralytics' one-to-one heads give its boxes as x1, y1, x2, y2; False for cx, cy, w, h.
        starter_picture: a file in ``models/`` in which a starter model finds something.
        photograph: a file of Ultralytics' assets in which a model of the zoo finds something, "" where there is none.
    """

    name: str
    adapter: str
    validator: str
    metrics: Mapping[str, str]
    pipeline_tag: str
    card_line: str
    cpp_line: str = ""
    keypoints: bool = False
    prototypes: bool = False
    corners: bool = True
    starter_picture: str = "sample.jpg"
    photograph: str = "bus.jpg"

    @property
    def metric(self) -> str:
        """The kind of accuracy that is the task's own."""
        return [*self.metrics][-1]

    def check(self, spec: ModelSpec) -> None:
        """Raises :class:`ValueError` where a model of this task cannot be as ``spec`` says."""
        if self.keypoints and (spec.kpt_shape is None or spec.kpt_shape[1] not in (2, 3)):
            raise ValueError("kpt_shape is missing, or its values are not 2 or 3")
        if spec.kpt_shape and any(max(pair) >= spec.kpt_shape[0] for pair in spec.skeleton):
            raise ValueError("the skeleton joins points there are not")
        if self.prototypes != bool(spec.masks):
            raise ValueError(f"a {spec.task} model of {spec.masks} masks")


TASKS: dict[str, TaskFacts] = {}


def register(facts: TaskFacts) -> None:
    """Adds a task: from now on its models are converted, loaded, measured and listed.

    Raises:
        ValueError: there is one of that name.
    """
    if facts.name in TASKS:
        raise ValueError(f"task {facts.name} is registered already")
    TASKS[facts.name] = facts


def task_of(spec: ModelSpec) -> Task:
    """The adapter for a model. Raises :class:`UserError` for a task this tool does not do."""
    if spec.task not in TASKS:
        raise UserError(f"Task {spec.task!r} cannot be converted.", f"Use a model for one of: {', '.join(TASKS)}.")
    task: Task = resolve_name(TASKS[spec.task].adapter)(spec)
    return task


register(
    TaskFacts(
        name="detect",
        adapter="rknn_zoo_e2e.tasks.detect:DetectTask",
        validator="ultralytics.models.yolo.detect:DetectionValidator",
        metrics={"box": "B"},
        pipeline_tag="object-detection",
        card_line='f"{len(result)} objects in {sum(result.ms.values()):.0f} ms"',
    )
)
register(
    TaskFacts(
        name="pose",
        adapter="rknn_zoo_e2e.tasks.pose:PoseTask",
        validator="ultralytics.models.yolo.pose:PoseValidator",
        metrics={"box": "B", "pose": "P"},
        pipeline_tag="keypoint-detection",
        card_line='"key points (object, point, x y visibility):", result.keypoints.shape',
        cpp_line=r'for (const auto &p : d.keypoints) std::printf("  (%.0f, %.0f) %.2f\n", p.x, p.y, p.visibility);',
        keypoints=True,
        starter_picture="sample-pose.jpg",
    )
)
register(
    TaskFacts(
        name="segment",
        adapter="rknn_zoo_e2e.tasks.segment:SegmentTask",
        validator="ultralytics.models.yolo.segment:SegmentationValidator",
        metrics={"box": "B", "mask": "M"},
        pipeline_tag="image-segmentation",
        card_line='"outlines, in px:", [mask.polygons() for mask in result.masks]',
        cpp_line=r'for (const auto &o : e2erknn::outlines(d.mask)) std::printf("  outline of %zu points\n", o.size());',
        prototypes=True,
    )
)
register(
    TaskFacts(
        name="obb",
        adapter="rknn_zoo_e2e.tasks.obb:ObbTask",
        validator="ultralytics.models.yolo.obb:OBBValidator",
        metrics={"obb": "B"},
        pipeline_tag="object-detection",
        card_line='"rotated boxes (cx, cy, w, h, radians):", result.obb.tolist()',
        cpp_line=r'std::printf("  %.0f x %.0f, turned by %.2f\n", d.obb.width, d.obb.height, d.obb.radians);',
        corners=False,
        photograph="",  # the zoo's are trained on pictures from the air
    )
)
