"""Preparing a model in a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rknn_zoo_e2e.boards.soc import Soc
from rknn_zoo_e2e.conversion.build import Build
from rknn_zoo_e2e.conversion.graphs import Graphs
from rknn_zoo_e2e.conversion.options import Options
from rknn_zoo_e2e.isolation.parent import Isolated
from rknn_zoo_e2e.quantization.calibration import Calibration
from rknn_zoo_e2e.zoo import Source


class Preparer(Isolated):
    """A process that exports a model and calibrates it (:mod:`rknn_zoo_e2e.conversion.prepare_worker`)."""

    module = "rknn_zoo_e2e.conversion.prepare_worker"
    who = "The preparation"
    log_is = "what was printed"

    def export(self, source: Source, options: Options, layout: str, work: Path) -> Graphs:
        """The model's facts and its graphs, written to ``work``; ``layout`` is that of the first.

        Raises:
            UserError: the checkpoint is no model this tool converts, or reading or exporting it failed.
        """
        graphs: Graphs = self.call("export", (source, options, layout, work))
        return graphs

    def builds(
        self, graphs: Graphs, options: Options, socs: Sequence[Soc], calibration: Calibration | None
    ) -> list[Build]:
        """The builds to run for some SoCs; their files are beside the graphs."""
        builds: list[Build] = self.call("builds", (graphs, options, list(socs), calibration))
        return builds
