"""One artifact: built and verified in a toolkit worker of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rknn_zoo_e2e.conversion.verify import Parity
from rknn_zoo_e2e.isolation.parent import TIME_LIMIT, Flag
from rknn_zoo_e2e.progress import Progress, Timed
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.toolkit.buildlog import placement
from rknn_zoo_e2e.toolkit.client import Toolkit
from rknn_zoo_e2e.toolkit.job import BuildJob, Ranges
from rknn_zoo_e2e.toolkit.versions import advised
from rknn_zoo_e2e.vision.arrays import Floats, Pixels
from rknn_zoo_e2e.vision.letterbox import Letterbox


@dataclass(frozen=True)
class Check:
    """One picture to verify with: its letterboxed input, where it lay, and its fp32 outputs."""

    rgb: Pixels
    letterbox: Letterbox
    outputs: list[Floats]


@dataclass(frozen=True)
class Build:
    """All that one build needs.

    Attributes:
        job: what the toolkit is asked for; its ``rknn`` is where the artifact goes.
        checks: pictures to verify with, none to skip.
        time_limit: seconds without progress after which a stage counts as hung.
        layout: "flat" or "grid".
        left_out: what its custom string has no room for (:mod:`rknn_zoo_e2e.conversion.custom_string`).
    """

    job: BuildJob
    spec: ModelSpec
    checks: Sequence[Check] = ()
    time_limit: float = TIME_LIMIT
    layout: str = "flat"
    left_out: tuple[str, ...] = ()

    @property
    def rknn(self) -> Path:
        """The artifact's file."""
        assert self.job.rknn is not None
        return self.job.rknn


@dataclass(frozen=True)
class BuildResult:
    """What a build left: the ranges it was quantised with, the vendor's log, placement, parity and seconds by stage."""

    ranges: Ranges | None
    toolkit: str
    log: str
    placement: dict[str, Any]
    parity: dict[str, Any]
    seconds: dict[str, float]


def run_build(build: Build, progress: Progress, cancelled: Flag) -> BuildResult:
    """Builds the artifact and compares it with fp32.

    Args:
        progress: told of every stage.
        cancelled: set to end it early.

    Raises:
        UserError: the vendor's toolkit failed or died.
    """
    timed = Timed(progress)
    with Toolkit(timed, cancelled, build.time_limit) as toolkit:
        with advised():
            built = toolkit.build(build.job)
        log = toolkit.log
        parity = verify(build, toolkit, timed)
    ranges = built.ranges or build.job.ranges
    return BuildResult(ranges, built.toolkit, log, placement(log), parity, timed.seconds())


def verify(build: Build, toolkit: Toolkit, progress: Progress) -> dict[str, Any]:
    """Compares what a session has just built with fp32: the artifact's ``parity``, empty without pictures to do it."""
    if not build.checks:
        return {}
    parity = Parity(build.spec)
    for index, check in enumerate(build.checks):
        progress("verify", index / len(build.checks))
        parity.add(check.outputs, toolkit.infer(check.rgb, "verify"), check.letterbox)
    return parity.report()
