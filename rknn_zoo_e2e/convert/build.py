"""One artifact: built and verified in a toolkit worker of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from rknn_zoo_e2e.convert.progress import Progress
from rknn_zoo_e2e.convert.verify import Parity
from rknn_zoo_e2e.spec import ModelSpec
from rknn_zoo_e2e.toolkit.buildlog import placement
from rknn_zoo_e2e.toolkit.client import Toolkit
from rknn_zoo_e2e.toolkit.job import BuildJob, Ranges
from rknn_zoo_e2e.vision.letterbox import Letterbox


@dataclass(frozen=True)
class Check:
    """One picture to verify with: its letterboxed input, where it lay, and its fp32 outputs."""

    rgb: np.ndarray
    letterbox: Letterbox
    outputs: list[np.ndarray]


@dataclass(frozen=True)
class BuildResult:
    """What a build left: the ranges it was quantised with, the vendor's log, placement, parity and seconds by stage."""

    ranges: Ranges | None
    toolkit: str
    log: str
    placement: dict[str, Any]
    parity: dict[str, Any]
    seconds: dict[str, float]


def run_build(
    label: str,
    job: BuildJob,
    spec: ModelSpec,
    checks: Sequence[Check],
    progress: Progress,
    cancelled: threading.Event,
) -> BuildResult:
    """Builds ``job`` and compares it with fp32.

    Args:
        label: what progress calls it.
        checks: pictures to verify with, none to skip.
        cancelled: set to end it early.

    Raises:
        UserError: the vendor's toolkit failed or died.
    """
    entered: list[tuple[str, float]] = [("start", time.monotonic())]

    def on_stage(stage: str, share: float) -> None:
        if stage != entered[-1][0]:
            entered.append((stage, time.monotonic()))
        progress.stage(label, stage, share)

    with Toolkit(on_stage, cancelled) as toolkit:
        built = toolkit.build(job)
        log = toolkit.log
        parity = Parity(spec)
        for index, check in enumerate(checks):
            on_stage("verify", index / len(checks))
            parity.add(check.outputs, toolkit.infer(check.rgb), check.letterbox)
    entered.append(("", time.monotonic()))
    seconds: dict[str, float] = {}
    for (stage, start), (_, end) in pairwise(entered):
        seconds[stage] = round(seconds.get(stage, 0.0) + end - start, 2)
    progress.done(label, sum(seconds.values()))
    report = parity.report() if checks else {}
    return BuildResult(built.ranges or job.ranges, built.toolkit, log, placement(log), report, seconds)


def fp32_checks(onnx: Path, pictures: Sequence[tuple[np.ndarray, Letterbox]]) -> list[Check]:
    """The fp32 graph's outputs for letterboxed pictures."""
    from rknn_zoo_e2e.runtime.onnx import OnnxRuntime

    runtime = OnnxRuntime(onnx)
    checks = [Check(rgb, letterbox, runtime.infer(rgb)) for rgb, letterbox in pictures]
    runtime.close()
    return checks
