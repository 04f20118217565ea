"""Ultralytics YOLO checkpoints to end-to-end INT8 RKNN models for Rockchip NPUs.

    from rknn_zoo_e2e import convert, load

    bundle = convert("yolov8n-pose.pt", ["rk3566"], calib="pictures")
    result = load(bundle)("image.jpg")

Public is what ``__all__`` names, and :mod:`rknn_zoo_e2e.ultralytics`; each has a runnable example in its docstring.
Importing this package imports neither torch nor OpenCV.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rknn_zoo_e2e.api.convert import convert as convert
    from rknn_zoo_e2e.api.evaluate import evaluate as evaluate
    from rknn_zoo_e2e.api.publish import publish as publish
    from rknn_zoo_e2e.api.pull import pull as pull
    from rknn_zoo_e2e.api.report import report as report
    from rknn_zoo_e2e.errors import UserError as UserError
    from rknn_zoo_e2e.runtime.loading import load as load
    from rknn_zoo_e2e.runtime.predictor import Predictor as Predictor
    from rknn_zoo_e2e.tasks.base import Thresholds as Thresholds
    from rknn_zoo_e2e.tasks.result import Result as Result

__version__ = "0.1.0"

_HOMES = {
    "convert": "api.convert",
    "evaluate": "api.evaluate",
    "load": "runtime.loading",
    "publish": "api.publish",
    "pull": "api.pull",
    "report": "api.report",
    "Predictor": "runtime.predictor",
    "Result": "tasks.result",
    "Thresholds": "tasks.base",
    "UserError": "errors",
}
__all__ = ["Predictor", "Result", "Thresholds", "UserError", "convert", "evaluate", "load", "publish", "pull", "report"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
