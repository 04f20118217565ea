"""What runs a model: the same interface over a board's NPU, the vendor's simulator, ONNX Runtime and PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rknn_zoo_e2e.bundle.model import Artifact
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.vision.arrays import Floats, Pixels


class Runtime(Protocol):
    """A loaded model."""

    backend: str

    def infer(self, rgb: Pixels) -> list[Floats]:
        """A letterboxed picture (H, W, 3) uint8 RGB to the outputs in the task's order, float32. One call at a time.

        Raises:
            UserError: it failed; it is of no more use and has to be opened anew.
        """
        ...

    def close(self) -> None:
        """Lets go of processes and devices."""
        ...


class CheckpointRuntime(Runtime, Protocol):
    """A loaded checkpoint, which says itself what model it is."""

    spec: ModelSpec


@dataclass(frozen=True)
class Prepared:
    """An artifact of a bundle that a backend can run here.

    Attributes:
        open: opens it once; given the number of an NPU core it is to run on, None where nothing is to be chosen.
        cores: how many NPU cores there are, None where any number of copies may run side by side.
    """

    artifact: Artifact
    open: Callable[[int | None], Runtime]
    cores: int | None = None


class RuntimeGone(UserError):
    """The runtime failed so often that no picture is worth another try."""
