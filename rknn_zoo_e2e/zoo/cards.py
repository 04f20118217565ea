"""What the zoo knows of a model: its card, as :mod:`~rknn_zoo_e2e.zoo.card_reader` reads it from ``models/*.yaml``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


class CardError(ValueError):
    """A card is wrong: the message names the file, the model and the key."""


@dataclass(frozen=True)
class HubFile:
    """A file of a Hugging Face repository."""

    repo: str
    file: str

    @property
    def address(self) -> str:
        """As it is recorded and shown."""
        return f"hf:{self.repo}/{self.file}"


@dataclass(frozen=True)
class ReleaseFile:
    """A file of a release of Ultralytics' assets."""

    tag: str
    file: str

    @property
    def address(self) -> str:
        """As it is recorded and shown."""
        return f"release:{self.tag}/{self.file}"


@dataclass(frozen=True)
class ModelCard:
    """One model of the zoo.

    Attributes:
        name: what users type.
        family: as their maker calls it, yolo11 say; shapes for those trained here.
        size: as the family calls it, n, s, m, l or x in most; empty for a family of one size.
        imgsz: training input side, px.
        license: SPDX name.
        architecture: the family of layers it is made of.
        base_model: Hugging Face repository of the model it is, empty where there is none.
        params: number of parameters, None where not recorded.
        gflops: 1e9 floating-point operations for one picture of ``imgsz``, None where not recorded.
        classes: number of classes.
        calibration: the set it calibrates with when none is given ("shapes" draws its own), None to ask for one.
        shipped: weights inside the package, None if they are fetched or local.
        sha256: of its checkpoint; empty where it is not known, then the first fetch is trusted.
        hub, release: where its checkpoint can be fetched, in this order; None where it is not.
        skeleton: joints between key points to draw.
        metrics: measured accuracy (0..1) by kind, as ``measured_on`` says.
    """

    name: str
    task: str
    family: str
    size: str
    imgsz: int
    license: str
    classes: int
    architecture: str
    base_model: str = ""
    params: int | None = None
    gflops: float | None = None
    calibration: str | None = None
    shipped: Path | None = None
    sha256: str = ""
    hub: HubFile | None = None
    release: ReleaseFile | None = None
    skeleton: tuple[tuple[int, int], ...] = ()
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    measured_on: str = ""
