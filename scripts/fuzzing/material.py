"""What is good before it is made bad."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rknn_zoo_e2e.vision.arrays import Pixels


@dataclass(frozen=True)
class Material:
    """What is good before it is made bad.

    Attributes:
        folder: with bundles of starter models, ``picture.jpg`` and ``video.mp4``.
        weights: of the starter models.
    """

    folder: Path
    weights: Path

    @cached_property
    def bundles(self) -> list[Path]:
        return sorted(self.folder.glob("*_rknn_model"))

    @cached_property
    def checkpoints(self) -> list[Path]:
        return sorted(self.weights.glob("*.pt"))

    @cached_property
    def scene(self) -> Pixels:
        from rknn_zoo_e2e.media.synthetic import draw_scene

        return draw_scene(7, (160, 200))[0]
