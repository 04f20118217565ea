"""What runs a model: the same interface over a board's NPU, the vendor's simulator, ONNX Runtime and PyTorch."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from rknn_zoo_e2e.errors import UserError

BACKENDS = ("auto", "board", "simulator", "onnx", "torch")
FROM_GRAPH = ("simulator", "onnx")  # they need more of a bundle than its .rknn


class Runtime(Protocol):
    """A loaded model."""

    backend: str

    def infer(self, rgb: np.ndarray) -> list[np.ndarray]:
        """A letterboxed picture (H, W, 3) uint8 RGB to the outputs in the task's order, float32. One call at a time.

        Raises:
            UserError: it failed; it is of no more use and has to be opened anew.
        """
        ...

    def close(self) -> None:
        """Lets go of processes and devices."""
        ...


class RuntimeGone(UserError):
    """The runtime failed so often that no picture is worth another try."""
