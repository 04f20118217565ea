"""The graphs one model was exported to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from rknn_zoo_e2e.tasks.spec import ModelSpec


@dataclass(frozen=True)
class Graphs:
    """A model's graphs, all in one working folder.

    Attributes:
        spec: the model's facts.
        main: file of the patched graph.
        layout: its layout, "flat" or "grid".
        own: SoC -> file of its own graph, for those that need another.
        trained_size: whether their input has the size the model was trained at.
    """

    spec: ModelSpec
    main: Path
    layout: str
    own: dict[str, Path] = field(default_factory=dict)
    trained_size: bool = True

    def of(self, soc: str) -> Path:
        """The graph a SoC's artifact is built from."""
        return self.own.get(soc, self.main)

    @property
    def files(self) -> dict[str, Path]:
        """All of them by name."""
        return {path.name: path for path in (self.main, *self.own.values())}
