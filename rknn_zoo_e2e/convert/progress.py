"""Who is told how far conversions are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rknn_zoo_e2e.bundle import Artifact
from rknn_zoo_e2e.errors import UserError


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


class Silent:
    """Tells nobody."""

    def expect(self, model: str, builds: Sequence[str]) -> None:
        pass

    def stage(self, what: str, stage: str, share: float = 0.0) -> None:
        pass

    def done(self, what: str, result: Artifact | UserError | None = None, reused: bool = False) -> None:
        pass


class Stages:
    """The stages all builds of a model share, told and timed one after the other.

    Attributes:
        seconds: wall time by stage.
    """

    def __init__(self, model: str, progress: Progress) -> None:
        self.model, self.progress = model, progress
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[float], None]]:
        """Enters a stage; what it yields takes the share done (0..1)."""
        start = time.monotonic()
        self.progress.stage(self.model, name)
        try:
            yield lambda share: self.progress.stage(self.model, name, share)
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - start, 2)
