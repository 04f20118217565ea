"""A MODEL argument's checkpoint to a loaded model and what is known of it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.spec import ModelSpec
from rknn_zoo_e2e.zoo import Source

if TYPE_CHECKING:
    from torch import nn


def load_source(source: Source, imgsz: tuple[int, int] | None = None) -> tuple[nn.Module, ModelSpec]:
    """Loads the checkpoint, running nothing in it unless the source is trusted.

    Args:
        imgsz: input (height, width) in px, the training size by default.

    Raises:
        UserError: torch or ultralytics is missing, or the checkpoint is no model this tool converts.
    """
    missing = [name for name in ("torch", "ultralytics") if find_spec(name) is None]
    if missing:
        raise UserError(
            f"{' and '.join(missing)} must be installed to read a checkpoint.",
            "Install them with: pip install 'rknn-zoo-e2e[convert]'",
        )
    from rknn_zoo_e2e.checkpoint import load_model
    from rknn_zoo_e2e.convert.export import spec_of

    model = load_model(source.path, source.trusted)
    return model, spec_of(model, source.name, imgsz, source.card.skeleton if source.card else ())
