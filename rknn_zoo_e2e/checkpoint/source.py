"""A MODEL argument's checkpoint to a loaded model and what is known of it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from rknn_zoo_e2e.boards.install import remedy
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.zoo import Source

if TYPE_CHECKING:
    from torch import nn


def require_torch() -> None:
    """Raises :class:`UserError` where torch or ultralytics is missing."""
    missing = [name for name in ("torch", "ultralytics") if find_spec(name) is None]
    if missing:
        raise UserError(
            f"{' and '.join(missing)} must be installed to read a checkpoint.",
            remedy("convert", "them"),
        )


def load_source(source: Source, imgsz: tuple[int, int] | None = None) -> tuple[nn.Module, ModelSpec]:
    """Loads the checkpoint, running nothing in it unless the source is trusted.

    Args:
        imgsz: input (height, width) in px, the training size by default.

    Raises:
        UserError: torch or ultralytics is missing, or the checkpoint is no model this tool converts.
    """
    require_torch()
    import torch

    from rknn_zoo_e2e.checkpoint.describe import spec_of
    from rknn_zoo_e2e.checkpoint.load import load_model

    model = load_model(source.path, source.trusted)
    lost = [name for name, weights in model.state_dict().items() if not weights.isfinite().all()]
    if lost:
        raise UserError(
            f"{source.path} holds weights that are no finite numbers ({len(lost)} tensors, first {lost[0]}).",
            "Its training diverged, or the file was damaged: give an earlier checkpoint.",
        )
    try:
        spec = spec_of(model, source.name, imgsz, source.identity.skeleton)
        with torch.no_grad():  # the smallest picture shows whether its layers fit together
            model(torch.zeros(1, 3, 2 * spec.stride, 2 * spec.stride))
        return model, spec
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RuntimeError) as error:
        from ultralytics import __version__

        raise UserError(
            f"{source.path} does not run: its layers do not fit the Ultralytics installed here ({__version__}).",
            "If a fork saved it, put that fork on PYTHONPATH; else save it again with the release installed here.",
            f"{type(error).__name__}: {error}",
        ) from error
