"""What runs a model: the same interface over a board's NPU, the vendor's simulator, ONNX Runtime and PyTorch."""

from __future__ import annotations

from typing import Protocol

import numpy as np

BACKENDS = ("auto", "board", "simulator", "onnx", "torch")


class Runtime(Protocol):
    """A loaded model."""

    backend: str

    def infer(self, rgb: np.ndarray) -> list[np.ndarray]:
        """A letterboxed picture (H, W, 3) uint8 RGB to the outputs in the task's order, float32. One call at a time."""
        ...

    def close(self) -> None:
        """Lets go of processes and devices."""
        ...
