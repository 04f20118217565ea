"""An evaluation of any MODEL: loaded, measured, and noted in its bundle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rknn_zoo_e2e.bundle.curves import KIND, in_place_of, read_curves
from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.bundle.numbers import change_artifact, with_numbers
from rknn_zoo_e2e.bundle.reader import is_bundle, read_bundle
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.measure.evaluate import evaluate_with_curves
from rknn_zoo_e2e.measure.halves import HALVES, calibrated_with, halves_of
from rknn_zoo_e2e.media.dataset import recorded_name
from rknn_zoo_e2e.runtime.loading import find_bundle, open_model
from rknn_zoo_e2e.runtime.options import LoadOptions, one_of
from rknn_zoo_e2e.runtime.registry import BACKENDS, chosen
from rknn_zoo_e2e.tasks.spec import ModelSpec

SPLITS = ("val", "test", "train")


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Attributes:
        model: as it was asked for.
        artifact: of the bundle it came from, None for a checkpoint.
        found: ``images``, ``skipped`` and ``metrics``, see :func:`~rknn_zoo_e2e.measure.evaluate.evaluate`.
        curves: by kind of accuracy the precision by recall (:mod:`rknn_zoo_e2e.bundle.curves`).
        half: which half of the pictures it was measured on (:mod:`rknn_zoo_e2e.measure.halves`), None for all.
        left_out: how many pictures are in no half, as the artifact was calibrated with them.
    """

    model: str
    data: Path
    spec: ModelSpec
    backend: str
    artifact: Artifact | None
    found: dict[str, Any]
    curves: dict[str, list[float]] = field(default_factory=dict)
    half: str | None = None
    left_out: int = 0

    def report(self) -> dict[str, Any]:
        """For the JSON document."""
        measured = self.artifact if BACKENDS[self.backend].runs_artifact else None
        half = {"half": self.half, "left_out": self.left_out} if self.half else {}
        return {
            "model": self.spec.name,
            "backend": self.backend,
            "soc": measured.soc if measured else None,
            "precision": measured.precision if measured else "fp32",
            "data": str(self.data),
            **half,
            **self.found,
        }

    def keep(self, say: Callable[[str], None] = lambda text: None) -> None:
        """Notes it in the bundle, in place of an earlier run on the same data and backend.

        Figures of a half are not noted: beside those of other models they would pass for figures of the data set.

        Args:
            say: told where it is noted, or why it is not. Where there is no bundle of one's own, nothing happens.
        """
        folder = None if self.model.startswith("hf:") else find_bundle(self.model)
        if self.artifact is None or folder is None or not is_bundle(folder):
            return
        if self.half:
            say("The figures are not noted in the bundle: they are those of one half of the pictures.")
            return
        data_name = recorded_name(self.data)
        figures = {"backend": self.backend, "data": data_name, **self.found}

        def change(artifact: Artifact) -> Mapping[str, bytes]:
            artifact.evaluations = in_place_of(artifact.evaluations, figures)
            earlier: list[dict[str, Any]] = []
            with suppress(UserError):  # damaged: these take its place
                earlier = read_curves(read_bundle(folder), artifact)
            run = {key: figures[key] for key in ("backend", "data", "images")} | {"precision": self.curves}
            return with_numbers(KIND, in_place_of(earlier, run))(artifact)

        try:
            change_artifact(folder, self.artifact.sha256, "eval", say, change)
        except UserError as error:
            say(f"The figures are not kept: {error.what}")
        else:
            say(f"Noted in {folder}, for its model card.")


def evaluate_model(
    options: LoadOptions,
    data: Path,
    split: str = "val",
    images: int | None = None,
    half: str | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Evaluation:
    """Loads a model and measures it.

    Args:
        options: which model, and how to run it; its progress is told of measuring, too, by the backend's name.
        data: ``data.yaml``.
        split: one of :data:`SPLITS`.
        images: only this many pictures, the first ones.
        half: one of :data:`~rknn_zoo_e2e.measure.halves.HALVES`, None for all pictures.
        say: told which pictures cannot be used.

    Raises:
        UsageError: there is no such split or half.
        UserError: as :func:`~rknn_zoo_e2e.runtime.loading.load` and :func:`~rknn_zoo_e2e.measure.evaluate.evaluate`;
            or there are no halves.
    """
    split = one_of(SPLITS, split, "a split")
    half = None if half is None else one_of(HALVES, half, "a half")
    bundle = calibrated(options) if half else None
    with open_model(options) as predictor:
        spec, backend, artifact = predictor.spec, predictor.backend, predictor.artifact
        only, left_out = None, 0
        if half is not None:
            assert bundle is not None and artifact is not None  # what runs bundles runs one of their artifacts
            halves = halves_of(data, split, calibrated_with(bundle, artifact))
            only, left_out = getattr(halves, half), halves.left_out
        found, curves = evaluate_with_curves(predictor, data, split, images, options.progress, only, say)
    return Evaluation(options.model or "", data, spec, backend, artifact, found, curves, half, left_out)


def calibrated(options: LoadOptions) -> Bundle:
    """The bundle that is to be loaded, of which pictures have halves. Raises :class:`UserError` where it is none."""
    folder = find_bundle(options.model, options.soc, options.precision, options.progress, options.backend)
    if folder is None or not chosen(options.backend, "bundles").bundles:
        raise UserError(
            f"Halves are without the pictures a bundle is calibrated with, and {options.model} is a checkpoint here.",
            "Give a bundle, and for its fp32 --backend onnx.",
        )
    return read_bundle(folder)
