"""How long one picture will take on a board, predicted from the compiler's table before there is a board.

Milliseconds are a sum over what the table says: cycles, traffic, and what is left to the CPU, each times a coefficient
of the SoC that is not negative, so nothing gets faster with more work. ``scripts/fit_speeds.py`` fits them to what
Rockchip publishes (:mod:`~rknn_zoo_e2e.boards.published`) and says how wrong they are about graphs they were not fitted
to. There is no constant: a fit that may have one takes none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rknn_zoo_e2e.boards.soc import SAME_FILES

# How often the CPU goes over the values of an operator's output, where that is not once: Softmax finds the largest,
# sums the exponentials, and divides.
PASSES = {"Softmax": 3, "exSoftmax13": 3}
LONGEST = 1e6  # ms: no compiler's figures are behind more


@dataclass(frozen=True)
class Cost:
    """What a graph asks of a SoC, by the compiler's table.

    Attributes:
        cycles: of the NPU, in millions.
        traffic: read and written by operators, MB of 1024 KB.
        cpu: values that operators left to the CPU go over, in millions.
    """

    cycles: float
    traffic: float
    cpu: float

    @classmethod
    def of(cls, placement: Mapping[str, Any]) -> Cost:
        """Of an artifact's placement, ``{"cpu": [{"op", "shape"}], "traffic_kb", "cycles"}``."""
        values = sum(PASSES.get(x["op"], 1) * _size(x["shape"]) for x in placement["cpu"])
        return cls(placement["cycles"] / 1e6, placement["traffic_kb"] / 1024, values / 1e6)


@dataclass(frozen=True)
class Fit:
    """The model of one SoC's speed.

    Attributes:
        cycles, traffic, cpu: milliseconds for one of :class:`Cost`.
        factor: between published and predicted, the largest of these graphs where each is predicted without itself.
        graphs: how many it was fitted to.
        smallest, largest: cycles of theirs, in millions.
    """

    cycles: float
    traffic: float
    cpu: float
    factor: float
    graphs: int
    smallest: float
    largest: float

    def ms(self, cost: Cost) -> float:
        """Milliseconds a picture."""
        return self.cycles * cost.cycles + self.traffic * cost.traffic + self.cpu * cost.cpu


# Published graphs leave operators to the CPU on this SoC alone: what these take is known there, and taken for others.
CPU_KNOWN = "rk3566"

# Printed by scripts/fit_speeds.py.
FITS = {
    "rk3562": Fit(cycles=0.5821, traffic=0.5836, cpu=15.59, factor=1.172, graphs=13, smallest=9.403, largest=113.4),
    "rk3566": Fit(cycles=1.008, traffic=0.5343, cpu=15.59, factor=1.143, graphs=13, smallest=9.937, largest=113.8),
    "rk3576": Fit(cycles=0.8422, traffic=0.1655, cpu=15.59, factor=1.171, graphs=13, smallest=7.109, largest=60.75),
    "rk3588": Fit(cycles=0.4148, traffic=0.3401, cpu=15.59, factor=1.173, graphs=13, smallest=5.432, largest=58.2),
}


@dataclass(frozen=True)
class Prediction:
    """Of one picture on one core, inference alone: milliseconds, their interval, and what is behind them.

    Attributes:
        on_cpu: milliseconds of ``ms`` that operators left to the CPU take.
    """

    ms: float
    low: float
    high: float
    basis: str
    on_cpu: float = 0.0

    @property
    def fps(self) -> float:
        """Frames a second."""
        return 1000 / self.ms

    def report(self) -> dict[str, Any]:
        """Its entry in the JSON of an artifact."""
        return {"ms": round(self.ms, 2), "low": round(self.low, 2), "high": round(self.high, 2), "basis": self.basis}


def predict(soc: str, precision: str, placement: Mapping[str, Any]) -> Prediction | None:
    """The speed of a build; None where nobody published speeds to predict from: other SoCs, fp16, no placement.

    Args:
        placement: of the artifact (``bundle.model.Artifact``); it may be empty, and anybody may have written it.
    """
    known, fit = _fit_of(soc)
    if fit is None or precision != "int8" or not placement:
        return None
    cost = Cost.of(placement)
    ms = fit.ms(cost)
    if not 0 < ms < LONGEST:
        return None
    return Prediction(ms, ms / fit.factor, ms * fit.factor, _basis(known, fit, cost), fit.cpu * cost.cpu)


def predictable(soc: str) -> bool:
    """Whether anybody publishes speeds to predict those of this SoC from."""
    return _fit_of(soc)[1] is not None


def _fit_of(soc: str) -> tuple[tuple[str, ...], Fit | None]:
    """The SoCs that run its files, and what is fitted to theirs."""
    known = next((pair for pair in SAME_FILES if soc in pair), (soc,))
    return known, FITS.get(known[0])


def _basis(socs: tuple[str, ...], fit: Fit, cost: Cost) -> str:
    """What the figures are from, and where they go beyond it."""
    said = f"fitted to {fit.graphs} speeds Rockchip publishes for {' and '.join(socs)} at the highest NPU clock"
    if cost.cycles < fit.smallest:
        said += ", all of larger graphs"
    elif cost.cycles > fit.largest:
        said += ", all of smaller graphs"
    if cost.cpu and CPU_KNOWN not in socs:
        said += f"; operators on the CPU as on {CPU_KNOWN}"
    return said


def _size(shape: str) -> int:
    """How many values a tensor has, by its shape in the table: "(1,84,8400)"."""
    return math.prod(map(int, re.findall(r"\d+", shape)))
