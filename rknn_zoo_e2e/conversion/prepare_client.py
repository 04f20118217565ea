"""Preparing a model in a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rknn_zoo_e2e.boards.soc import Soc
from rknn_zoo_e2e.conversion.build import Build
from rknn_zoo_e2e.conversion.options import Options
from rknn_zoo_e2e.isolation.parent import Isolated
from rknn_zoo_e2e.quantization.calibration import Calibration
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.zoo import Source


class Preparer(Isolated):
    """One model's preparation (:class:`~rknn_zoo_e2e.conversion.prepare_worker.Preparation`)."""

    module = "rknn_zoo_e2e.conversion.prepare_worker"
    who = "The preparation"
    log_is = "what was printed"

    def export(self, source: Source, options: Options, work: Path) -> tuple[ModelSpec, dict[str, Path]]:
        """The model's facts, and its graphs by name, in ``work``.

        Raises:
            UserError: the checkpoint is no model this tool converts, or reading or exporting it failed.
        """
        return self.call("export", (source, options, work))

    def builds(self, socs: Sequence[Soc], calibration: Calibration | None) -> list[Build]:
        """The builds to run; their files are in ``work`` too."""
        return self.call("builds", (list(socs), calibration))
