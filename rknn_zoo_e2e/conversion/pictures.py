"""Which pictures a model is calibrated and verified with."""

from __future__ import annotations

from rknn_zoo_e2e.conversion.options import Options
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.progress import Progress, silent
from rknn_zoo_e2e.quantization.calibration import DEFAULT_PICTURES, Calibration, from_pictures, from_shapes
from rknn_zoo_e2e.tasks.registry import TASKS
from rknn_zoo_e2e.zoo import Source, asset, calibration_sets, find_card
from rknn_zoo_e2e.zoo.cards import ModelCard
from rknn_zoo_e2e.zoo.fetch import fetch


def calibration_for(source: Source, options: Options, progress: Progress = silent) -> Calibration:
    """The pictures to calibrate and verify with: those given, else the model's own set, which is fetched.

    The user's own model has no set of its own, whatever its file is called.

    Raises:
        UsageError: none given and none of its own.
        UserError: too few can be read, or its set cannot be fetched.
    """
    if options.calib is not None:
        return from_pictures(options.calib, options.calib_images, progress)
    if own := own_set(source.identity.card, options.calib_images, progress):
        return own
    give = "Add --calib with a folder of 20 to 100 of them, a data.yaml or a list.txt"
    alike = find_card(source.name)
    if alike is None:
        raise UsageError(f"{source.name} needs calibration pictures like those it will see.", f"{give}.")
    raise UsageError(
        f"{source.path} is not known to be the zoo's {alike.name} but your own model, which needs calibration pictures "
        "like those it will see.",
        f"{give}; or get the zoo's with: e2erknn fetch {alike.name}, and convert that as {alike.name}",
    )


def own_set(card: ModelCard | None, count: int | None, progress: Progress = silent) -> Calibration | None:
    """The pictures a model of the zoo is calibrated with, fetched where need be; None where it has none.

    Args:
        card: None for the user's own model.
        count: how many, None for as many as by default.

    Raises:
        UserError: they cannot be fetched.
    """
    own = card.calibration if card else None
    if card is not None and own == "shapes":
        return from_shapes(count or DEFAULT_PICTURES, TASKS[card.task].keypoints)
    if own is not None and own in calibration_sets():
        return from_pictures(fetch(asset(own), progress).path, count)
    return None


def calibration_or_reason(
    source: Source, options: Options, progress: Progress = silent
) -> tuple[Calibration | None, str]:
    """The pictures, or None and why there is nothing to verify a build with: fp16 is built without any too.

    The reason is empty where nobody wants fp16 verified.

    Raises:
        UserError: as :func:`calibration_for` does; only INT8 cannot be built without.
    """
    int8 = options.precision == "int8"
    if not int8 and not options.verify:
        return None, ""
    try:
        return calibration_for(source, options, progress), ""
    except UserError as error:
        if int8:
            raise
        return None, error.what
