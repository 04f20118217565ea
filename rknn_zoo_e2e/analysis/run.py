"""An analysis of any MODEL: its artifact found or built, its pictures chosen, and the figures kept in its bundle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rknn_zoo_e2e.analysis.analyze import Analysis, analyze
from rknn_zoo_e2e.boards.soc import SOCS
from rknn_zoo_e2e.bundle.analysis import KIND
from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.bundle.numbers import change_artifact, with_numbers
from rknn_zoo_e2e.bundle.reader import is_bundle, read_bundle
from rknn_zoo_e2e.conversion.options import Options
from rknn_zoo_e2e.conversion.pictures import own_set
from rknn_zoo_e2e.conversion.pipeline import convert
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.media.dataset import check_there
from rknn_zoo_e2e.progress import Tracker
from rknn_zoo_e2e.quantization.calibration import Calibration, from_pictures
from rknn_zoo_e2e.runtime.loading import find_bundle
from rknn_zoo_e2e.toolkit.client import require_toolkit
from rknn_zoo_e2e.zoo import identity_of_bundle, resolve

DEFAULT_PICTURES = 8  # with 12 the same blocks of yolo11n come first
PRECISION = "int8"


@dataclass(frozen=True)
class Wanted:
    """What to analyse.

    Attributes:
        model: bundle, ``hf:owner/name``, zoo name or ``.pt`` file; what is not built yet is converted first.
        soc: None for the first INT8 artifact of a bundle.
        calib: pictures, None for those of the zoo's model.
        pictures: how many of them.
        all_int8, check: see :func:`~rknn_zoo_e2e.analysis.analyze.analyze`.
        trusted: whether code in a ``.pt`` may run.
    """

    model: str
    soc: str | None = None
    calib: Path | None = None
    pictures: int = DEFAULT_PICTURES
    all_int8: bool = False
    check: int = 0
    trusted: bool = False


def run(wanted: Wanted, tracker: Tracker) -> tuple[Bundle, Artifact, Analysis]:
    """Finds or builds the artifact and analyses it.

    Raises:
        UsageError: a checkpoint without a SoC, or nothing to calibrate with.
        UserError: there is no such model or artifact, or it cannot be analysed.
    """
    if wanted.calib is not None:
        check_there(wanted.calib)
    bundle, artifact = built(wanted, tracker)
    if SOCS[artifact.soc].tail != PRECISION:
        require_toolkit()
    progress = tracker.of(wanted.model)
    pictures = pictures_for(wanted, bundle, tracker)
    analysis = analyze(bundle, artifact, pictures, wanted.all_int8, wanted.check, progress)
    tracker.done(wanted.model)
    return bundle, artifact, analysis


def built(wanted: Wanted, tracker: Tracker) -> tuple[Bundle, Artifact]:
    """The bundle and its INT8 artifact."""
    folder = find_bundle(wanted.model, wanted.soc, PRECISION, tracker.of(wanted.model), "onnx")
    named = folder is not None and (wanted.model.startswith("hf:") or is_bundle(Path(wanted.model)))
    if folder is not None:
        bundle = read_bundle(folder)
        there = any(wanted.soc in (None, a.soc) and a.precision == PRECISION for a in bundle.artifacts)
        if named or there:
            return bundle, bundle.artifact(wanted.soc, PRECISION)
    if wanted.soc is None:
        raise UsageError(f"{wanted.model} is not built for any SoC yet.", "Add for example: --soc rk3566")
    source = resolve(wanted.model, tracker.of(wanted.model), wanted.trusted)
    done = convert(source, Options.of(wanted.soc, calib=wanted.calib), tracker)
    assert done.bundle is not None  # else it had raised why
    return done.bundle, done.bundle.artifact(wanted.soc, PRECISION)


def pictures_for(wanted: Wanted, bundle: Bundle, tracker: Tracker) -> Calibration:
    """The pictures to analyse with: those given, else some of what the zoo calibrates the model with."""
    progress = tracker.of(wanted.model)
    if wanted.calib is not None:
        pictures: Calibration | None = from_pictures(wanted.calib, wanted.pictures, progress)
    else:
        pictures = own_set(identity_of_bundle(bundle).card, wanted.pictures, progress)
    if pictures is None:
        raise UsageError(
            f"A bundle holds no pictures, and {bundle.spec.name} is no model of the zoo, which has its own.",
            "Add --calib with those it was converted with: a folder, a data.yaml or a list.txt.",
        )
    for note in pictures.notes:
        tracker.note(note)
    return pictures


def keep(model: str, bundle: Bundle, artifact: Artifact, analysis: Analysis, say: Callable[[str], None]) -> None:
    """Puts the figures into the bundle, in place of earlier ones.

    Args:
        say: told where they are, or why they are not kept.
    """
    if model.startswith("hf:"):
        say("The figures are not kept: the bundle is the Hub's. Get it with e2erknn pull, and analyse that.")
        return
    try:
        change_artifact(bundle.path, artifact.sha256, "analyze", say, with_numbers(KIND, analysis.report()))
    except UserError as error:
        say(f"The figures are not kept: {error.what}")
    else:
        say(f"Kept in {bundle.path}.")
