"""What leaves INT8 next: sets of blocks, each larger than the one before, those that give most for their cost first."""

from __future__ import annotations

from typing import Any

import numpy as np

MOST_BUILDS = 15  # that are tried
FREE = 0.002  # of a build's cycles and traffic: a block that costs less costs as much as this


def candidates(analysis: dict[str, Any], cycles: float, traffic_kb: float) -> list[list[dict[str, Any]]]:
    """The sets of rows of an analysis to try besides its state, in order, the last of them all that is in INT8.

    Args:
        analysis: of the build, see :mod:`rknn_zoo_e2e.bundle.analysis`.
        cycles, traffic_kb: of the build.
    """

    def worth(row: dict[str, Any]) -> float:
        paid = max(row["cost"]["cycles"], 0) / cycles + max(row["cost"]["traffic_kb"], 0) / traffic_kb
        return float(row["gain"]["share"] / max(paid, FREE))

    rows = sorted((row for row in analysis["blocks"] if row["int8"] and row["cost"]), key=lambda row: -worth(row))
    if not rows:
        return []
    # One block at a time where there are few; else steps that grow, as the first blocks give most.
    steps = np.geomspace(1, len(rows), MOST_BUILDS - 2).round().astype(int)
    return [rows[:size] for size in dict.fromkeys(steps.tolist())]
