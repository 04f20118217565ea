"""An evaluation of any MODEL: loaded, measured, and noted in its bundle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rknn_zoo_e2e.bundle.model import Artifact
from rknn_zoo_e2e.bundle.numbers import change_artifact
from rknn_zoo_e2e.bundle.reader import is_bundle
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.measure.evaluate import evaluate
from rknn_zoo_e2e.runtime.loading import find_bundle, open_model
from rknn_zoo_e2e.runtime.options import LoadOptions, one_of
from rknn_zoo_e2e.runtime.registry import BACKENDS
from rknn_zoo_e2e.tasks.spec import ModelSpec

SPLITS = ("val", "test", "train")


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Attributes:
        model: as it was asked for.
        artifact: of the bundle it came from, None for a checkpoint.
        found: ``images`` and ``metrics``, see :func:`~rknn_zoo_e2e.measure.evaluate.evaluate`.
    """

    model: str
    data: Path
    spec: ModelSpec
    backend: str
    artifact: Artifact | None
    found: dict[str, Any]

    def report(self) -> dict[str, Any]:
        """For the JSON document."""
        measured = self.artifact if BACKENDS[self.backend].runs_artifact else None
        return {
            "model": self.spec.name,
            "backend": self.backend,
            "soc": measured.soc if measured else None,
            "precision": measured.precision if measured else "fp32",
            "data": str(self.data),
            **self.found,
        }

    def keep(self, say: Callable[[str], None] = lambda text: None) -> None:
        """Notes it in the bundle's metadata, in place of an earlier run on the same data and backend.

        Args:
            say: told where it is noted, or why it is not. Where there is no bundle of one's own, nothing happens.
        """
        folder = None if self.model.startswith("hf:") else find_bundle(self.model)
        if self.artifact is None or folder is None or not is_bundle(folder):
            return
        data_name = self.data.resolve().parent.name if self.data.stem == "data" else self.data.stem
        figures = {"backend": self.backend, "data": data_name, **self.found}

        def change(artifact: Artifact) -> dict[str, bytes]:
            others = [r for r in artifact.evaluations if (r["backend"], r["data"]) != (self.backend, data_name)]
            artifact.evaluations = [*others, figures]
            return {}

        try:
            change_artifact(folder, self.artifact.sha256, "eval", say, change)
        except UserError as error:
            say(f"The figures are not kept: {error.what}")
        else:
            say(f"Noted in {folder}, for its model card.")


def evaluate_model(options: LoadOptions, data: Path, split: str = "val", images: int | None = None) -> Evaluation:
    """Loads a model and measures it.

    Args:
        options: which model, and how to run it; its progress is told of measuring, too, by the backend's name.
        data: ``data.yaml``.
        split: one of :data:`SPLITS`.
        images: only this many pictures, the first ones.

    Raises:
        UsageError: there is no such split.
        UserError: as :func:`~rknn_zoo_e2e.runtime.loading.load` and :func:`~rknn_zoo_e2e.measure.evaluate.evaluate`.
    """
    split = one_of(SPLITS, split, "a split")
    with open_model(options) as predictor:
        found = evaluate(predictor, data, split, images, options.progress)
        return Evaluation(options.model or "", data, predictor.spec, predictor.backend, predictor.artifact, found)
