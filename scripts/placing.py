"""Builds for the compiler's table alone: of untrained checkpoints, from two drawn pictures, verified with none.

Neither weights nor ranges matter to where operators run, to cycles and to traffic.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rknn_zoo_e2e.conversion.build import Build, run_build
from rknn_zoo_e2e.conversion.options import Options
from rknn_zoo_e2e.conversion.prepare_client import Preparer
from rknn_zoo_e2e.isolation.workfolder import work_folder
from rknn_zoo_e2e.progress import silent
from rknn_zoo_e2e.quantization.calibration import from_shapes
from rknn_zoo_e2e.zoo import Source


def config_of(model: str) -> str:
    """Ultralytics' file for the architecture of a model of the zoo: yolov5n6u is yolov5n-p6.yaml."""
    stem = re.sub(r"^(yolov[35].*)u$", r"\1", model)
    return re.sub(r"^(yolov5[nsmlx])6$", r"\1-p6", stem) + ".yaml"


def untrained(model: str, folder: Path, classes: int | None = None) -> Path:
    """A checkpoint of a zoo model's architecture with random weights; of as many classes as its file has, or these."""
    from ultralytics import YOLO

    path = folder / f"{model}.pt"
    yolo = YOLO(config_of(model))
    if classes not in (None, yolo.model.yaml["nc"]):
        made = type(yolo.model)(config_of(model), nc=classes, verbose=False)
        made.args, made.task = yolo.model.args, yolo.model.task
        yolo.model = made
    yolo.save(path)
    return path


@contextmanager
def builds(source: Source, options: Options) -> Iterator[list[Build]]:
    """A model's builds, one a SoC; their files are gone when the block ends.

    Raises:
        UserError: the checkpoint is no model this tool converts, or reading or exporting it failed.
    """
    with work_folder() as work, Preparer() as preparer:
        graphs = preparer.export(source, options, options.layout_of(options.socs[0]), work)
        yield preparer.builds(graphs, options, options.socs, from_shapes(2, pose=False))


def placement_of(build: Build) -> dict[str, Any]:
    """What the compiler's table says of a build. Raises :class:`UserError` where the toolkit fails or dies."""
    return run_build(build, silent, threading.Event()).placement
