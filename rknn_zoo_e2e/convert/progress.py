"""Who is told how far a conversion is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Follows the stages of one or more builds."""

    def stage(self, what: str, stage: str, share: float = 0.0) -> None:
        """``what`` (a model, or an artifact) is at ``stage``, ``share`` (0..1) of it done."""
        ...

    def done(self, what: str, seconds: float) -> None:
        """``what`` is finished."""
        ...


class Silent:
    """Tells nobody."""

    def stage(self, what: str, stage: str, share: float = 0.0) -> None:
        pass

    def done(self, what: str, seconds: float) -> None:
        pass
