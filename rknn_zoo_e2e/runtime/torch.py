"""PyTorch on the checkpoint itself, decoded by Ultralytics: the fp32 reference."""

from __future__ import annotations

import numpy as np

from rknn_zoo_e2e.checkpoint.source import load_source
from rknn_zoo_e2e.errors import UserError, first_line
from rknn_zoo_e2e.vision.arrays import Floats, Pixels
from rknn_zoo_e2e.zoo import Source


class TorchRuntime:
    """A checkpoint, untouched."""

    backend = "torch"

    def __init__(self, source: Source, imgsz: tuple[int, int] | None = None) -> None:
        self.model, self.spec = load_source(source, imgsz)

    def infer(self, rgb: Pixels) -> list[Floats]:
        """A letterboxed picture (H, W, 3) uint8 RGB to the outputs, float32.

        Raises:
            UserError: PyTorch failed.
        """
        import torch

        from rknn_zoo_e2e.heads.reference import reference_outputs

        x = torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1)))[None].float() / 255
        try:
            return [output.numpy() for output in reference_outputs(self.model, x, self.spec)]
        except RuntimeError as error:  # out of memory, too
            raise UserError(f"PyTorch failed ({first_line(error)}).", "Try a smaller --imgsz.") from error

    def close(self) -> None:
        """Lets go of the model."""
        del self.model
