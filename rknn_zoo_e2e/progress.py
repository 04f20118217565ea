"""Who is told how far something is, and what came of it: the one protocol for all that takes time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Protocol

from rknn_zoo_e2e.errors import UserError


class Progress(Protocol):
    """Follows one thing through its stages, from any thread. A plain function of these arguments is one."""

    def __call__(self, stage: str, share: float = 0.0, /) -> None:
        """It is at ``stage``, ``share`` (0..1) of it done."""
        ...


class Tracker(Protocol):
    """Follows several things side by side, such as models and their builds, from any thread."""

    def expect(self, model: str, builds: Sequence[str]) -> None:
        """These builds of ``model`` will follow; its own stages are shared by all of them."""
        ...

    def of(self, what: str) -> Progress:
        """What is told of the stages of one of them (a model, or a build)."""
        ...

    def done(self, what: str, result: str | UserError = "", reused: bool = False) -> None:
        """``what`` is finished: a build, new or reused, with its result in words, or with why it failed."""
        ...

    def note(self, text: str) -> None:
        """Something worth a line of its own."""
        ...


def silent(stage: str, share: float = 0.0, /) -> None:
    """A :class:`Progress` that tells nobody."""


class Silent:
    """A :class:`Tracker` that tells nobody."""

    def expect(self, model: str, builds: Sequence[str]) -> None:
        """Nothing is shown."""

    def of(self, what: str) -> Progress:
        """A :class:`Progress` that tells nobody."""
        return silent

    def done(self, what: str, result: str | UserError = "", reused: bool = False) -> None:
        """Nothing is shown."""

    def note(self, text: str) -> None:
        """Nothing is shown."""


def following(function: Callable[[str, float], None]) -> Progress:
    """The :class:`Progress` that tells a function which must be given both arguments, as those of users may."""

    def tell(stage: str, share: float = 0.0, /) -> None:
        function(stage, share)

    return tell


class Timed:
    """A :class:`Progress` that passes stages on and adds up the wall time of each."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.entered: list[tuple[str, float]] = []

    def __call__(self, stage: str, share: float = 0.0, /) -> None:
        """Passes it on; of a new stage the time is kept."""
        if not self.entered or stage != self.entered[-1][0]:
            self.entered.append((stage, time.monotonic()))
        self.progress(stage, share)

    def seconds(self) -> dict[str, float]:
        """By stage, the last one until now."""
        found: dict[str, float] = {}
        for (stage, start), (_, end) in pairwise([*self.entered, ("", time.monotonic())]):
            found[stage] = round(found.get(stage, 0.0) + end - start, 2)
        return found
