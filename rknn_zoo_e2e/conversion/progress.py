"""Who is told how far conversions are."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

from rknn_zoo_e2e.bundle.model import Artifact
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.isolation.parent import OnStage


class Progress(Protocol):
    """Follows the stages of models and of their builds, from any thread."""

    def expect(self, model: str, builds: Sequence[str]) -> None:
        """These builds of ``model`` will follow; its own stages are shared by all of them."""
        ...

    def stage(self, what: str, stage: str, share: float = 0.0) -> None:
        """``what`` (a model, or a build) is at ``stage``, ``share`` (0..1) of it done."""
        ...

    def done(self, what: str, result: Artifact | UserError | None = None, reused: bool = False) -> None:
        """``what`` is finished: a build with its artifact, new or reused, or with why it failed."""
        ...

    def note(self, text: str) -> None:
        """Something worth a line of its own."""
        ...


class Silent:
    """Tells nobody."""

    def expect(self, model: str, builds: Sequence[str]) -> None:
        pass

    def stage(self, what: str, stage: str, share: float = 0.0) -> None:
        pass

    def done(self, what: str, result: Artifact | UserError | None = None, reused: bool = False) -> None:
        pass

    def note(self, text: str) -> None:
        pass


class Timed:
    """Passes stages on and adds up the wall time of each."""

    def __init__(self, on_stage: OnStage) -> None:
        self.on_stage = on_stage
        self.entered: list[tuple[str, float]] = []

    def __call__(self, stage: str, share: float) -> None:
        if not self.entered or stage != self.entered[-1][0]:
            self.entered.append((stage, time.monotonic()))
        self.on_stage(stage, share)

    def seconds(self) -> dict[str, float]:
        """By stage, the last one until now."""
        found: dict[str, float] = {}
        for (stage, start), (_, end) in pairwise([*self.entered, ("", time.monotonic())]):
            found[stage] = round(found.get(stage, 0.0) + end - start, 2)
        return found
