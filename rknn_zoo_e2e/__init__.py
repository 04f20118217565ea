"""Ultralytics YOLO checkpoints to end-to-end INT8 RKNN models for Rockchip NPUs.

    from rknn_zoo_e2e import convert, load

    bundle = convert("yolov8n-pose.pt", ["rk3566"], calib="pictures")
    result = load(bundle)("image.jpg")

Importing this package imports neither torch nor OpenCV.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rknn_zoo_e2e.api import convert as convert
    from rknn_zoo_e2e.errors import UserError as UserError
    from rknn_zoo_e2e.runtime.loading import load as load
    from rknn_zoo_e2e.runtime.predictor import Predictor as Predictor
    from rknn_zoo_e2e.tasks.result import Result as Result

__version__ = "0.1.0"

_HOMES = {
    "convert": "api",
    "load": "runtime.loading",
    "Predictor": "runtime.predictor",
    "Result": "tasks.result",
    "UserError": "errors",
}
__all__ = ["Predictor", "Result", "UserError", "convert", "load"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
