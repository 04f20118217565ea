#!/usr/bin/env python3
"""Fits the speeds that Rockchip publishes to its compiler's figures, and says how far such predictions are off.

    python scripts/fit_speeds.py

Each SoC's milliseconds are a sum of cycles, traffic and what is left to the CPU, by the least squares of relative
errors without a negative coefficient. Printed are the tables of docs/benchmarks.md, then what stands in
`rknn_zoo_e2e/boards/speed.py`. The figures are those of `rknn_zoo_e2e/boards/published.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt
from zoo_rows import BOTH_LAYOUTS

from rknn_zoo_e2e.boards.published import Published, published
from rknn_zoo_e2e.boards.speed import CPU_KNOWN, Cost, Fit, predict
from rknn_zoo_e2e.zoo import catalogue, find_measured

SIDE = 640  # px, of the graphs with published speeds
Floats = npt.NDArray[np.float64]


def least_squares(a: Floats, b: Floats) -> Floats:
    """The x >= 0 with the least ``|a x - b|``, a (N, K), b (N,): the best of all choices of columns, K being small."""
    columns = a.shape[1]
    best, error = np.zeros(columns), float(b @ b)
    for count in range(1, columns + 1):
        for chosen in combinations(range(columns), count):
            x = np.linalg.lstsq(a[:, chosen], b, rcond=None)[0]
            left = float(np.sum((a[:, chosen] @ x - b) ** 2))
            if (x >= 0).all() and left < error:
                best, error = np.zeros(columns), left
                best[list(chosen)] = x
    return best


def fit(graphs: Sequence[Published]) -> Fit:
    """The coefficients for these graphs of one SoC; nothing is said of their error (factor 1)."""
    costs = [Cost.of(graph.placement) for graph in graphs]
    ms = np.array([graph.ms for graph in graphs])
    relative = np.array([astuple(cost) for cost in costs]) / ms[:, None]
    cycles, traffic, cpu = least_squares(relative, np.ones(len(graphs)))
    sizes = [cost.cycles for cost in costs]
    return Fit(float(cycles), float(traffic), float(cpu), 1.0, len(graphs), min(sizes), max(sizes))


def left_out(graphs: Sequence[Published], group: Callable[[Published], str]) -> Floats:
    """Predicted over published, each graph by a fit without its whole group."""
    ratios = []
    for graph in graphs:
        others = fit([other for other in graphs if group(other) != group(graph)])
        ratios.append(others.ms(Cost.of(graph.placement)) / graph.ms)
    return np.array(ratios)


def each(graph: Published) -> str:
    return graph.model


def family(graph: Published) -> str:
    return graph.family


def factor(graphs: Sequence[Published]) -> float:
    """The largest between published and predicted, each graph predicted without itself."""
    return float(np.exp(np.abs(np.log(left_out(graphs, each))).max()))


def covered(graphs: Sequence[Published]) -> int:
    """How many graphs lie in the interval that the others alone predict: fit and factor know nothing of them."""
    count = 0
    for graph in graphs:
        others = [other for other in graphs if other is not graph]
        ms, width = fit(others).ms(Cost.of(graph.placement)), factor(others)
        count += ms / width <= graph.ms <= ms * width
    return count


def fits() -> dict[str, Fit]:
    """SoC -> what stands in the package."""
    found = {}
    for soc, graphs in by_soc().items():
        found[soc] = replace(fit(graphs), factor=factor(graphs))
    return {soc: replace(one, cpu=found[CPU_KNOWN].cpu) for soc, one in found.items()}


def by_soc() -> dict[str, list[Published]]:
    socs: dict[str, list[Published]] = {}
    for graph in published():
        socs.setdefault(graph.soc, []).append(graph)
    return socs


def percent(ratios: Floats) -> str:
    """Mean and worst error."""
    errors = 100 * np.abs(ratios - 1)
    return f"{errors.mean():.1f} / {errors.max():.1f}"


def beside_ours(graphs: Sequence[Published]) -> str:
    """A line on our graph of a model by the package's fit; none where its size is another or figures are not known.

    A cell has its milliseconds, and how many times those predicted and published of the vendor's graph that is.
    """
    card = catalogue()[graphs[0].model]
    cells = []
    for graph in graphs:
        known = find_measured(card, graph.soc, "grid" if graph.soc in BOTH_LAYOUTS else None)
        ours = predict(graph.soc, "int8", known.placement) if known else None
        theirs = predict(graph.soc, "int8", graph.placement)
        ratios = f"{ours.ms / theirs.ms:.2f}, {ours.ms / graph.ms:.2f}" if ours and theirs else ""
        cells.append(f"{ours.ms:.1f} ({ratios})" if ours else "")
    return f"| {card.name} | {' | '.join(cells)} |" if all(cells) and card.imgsz == SIDE else ""


def main() -> None:
    socs = by_soc()
    print(
        "| SoC | each graph left out, mean / worst % | its family left out | in the interval of the others | interval |"
    )
    print("|---|---:|---:|---:|---|")
    for soc, graphs in socs.items():
        ratios = percent(left_out(graphs, each)), percent(left_out(graphs, family))
        print(f"| {soc} | {' | '.join(ratios)} | {covered(graphs)} of {len(graphs)} | x {factor(graphs):.2f} |")
    print(f"\n| predicted without itself, ms (published) | {' | '.join(socs)} |\n|---|{'---:|' * len(socs)}")
    columns = [
        [f"{r * g.ms:.1f} ({g.ms:.1f})" for r, g in zip(left_out(gs, each), gs, strict=True)] for gs in socs.values()
    ]
    for graph, *cells in zip(next(iter(socs.values())), *columns, strict=True):
        print(f"| {graph.model} | {' | '.join(cells)} |")
    print()
    print(f"| ours, predicted ms | {' | '.join(socs)} |\n|---|{'---:|' * len(socs)}")
    print("\n".join(filter(None, map(beside_ours, zip(*socs.values(), strict=True)))))
    print()
    for soc, one in fits().items():
        values = ", ".join(f"{name}={value:.4g}" for name, value in vars(one).items())
        print(f'    "{soc}": Fit({values}),')


if __name__ == "__main__":
    main()
