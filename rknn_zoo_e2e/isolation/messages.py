"""What a worker process tells its parent; a parent says ``(verb, argument, stage or "")``."""

from __future__ import annotations

from dataclasses import dataclass

from rknn_zoo_e2e.errors import UserError


@dataclass(frozen=True)
class Stage:
    """A stage begins, or ``share`` (0..1) of it is done."""

    name: str
    share: float = 0.0


@dataclass(frozen=True)
class Answer:
    """It is done."""

    value: object


@dataclass(frozen=True)
class Refused:
    """What was asked for cannot be had, in words meant for the user."""

    error: UserError


@dataclass(frozen=True)
class Failed:
    """A library raised, or said that it failed."""

    stage: str
    message: str
