"""The Python call for the main job."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rknn_zoo_e2e.conversion.options import Options
from rknn_zoo_e2e.conversion.pipeline import convert as run
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.paths import expanded
from rknn_zoo_e2e.isolation.parent import TIME_LIMIT
from rknn_zoo_e2e.zoo import resolve


def convert(
    model: str | Path,
    socs: str | Sequence[str],
    precision: str = "int8",
    imgsz: int | str | Sequence[int] | None = None,
    calib: str | Path | None = None,
    calib_images: int | None = None,
    layout: str = "flat",
    out: str | Path = ".",
    verify: bool = True,
    overwrite: bool = False,
    time_limit: float = TIME_LIMIT,
    trusted: bool = False,
) -> Path:
    """Builds a bundle and returns its folder; what is there already and unchanged is not built again.

    Args:
        model: zoo name or ``.pt`` file.
        socs: Rockchip SoCs, ["rk3566", "rk3588"] or "rk3566,rk3588".
        precision: "int8" or "fp16".
        imgsz: input side or (height, width) in px, the training size by default; a text as the command takes it too.
        calib: folder, data.yaml or list of pictures like those the model will see.
        calib_images: how many of them to calibrate with; None for 40, or all if there are fewer.
        layout: "flat" (Ultralytics' order) or "grid".
        out: folder the bundle goes into.
        verify: compare with fp32; fp16 needs ``calib`` for it, or a model of the zoo.
        overwrite: replace a bundle made from something else.
        time_limit: seconds a stage may go without progress.
        trusted: whether code in the ``.pt`` may run.

    Raises:
        UsageError: an argument means nothing.
        UserError: it was refused, a build failed, or the result disagrees with fp32 (it is written nevertheless).
    """
    options = Options.of(
        socs,
        precision,
        imgsz,
        calib,
        calib_images,
        layout,
        out=out,
        verify=verify,
        overwrite=overwrite,
        time_limit=time_limit,
    )
    done = run(resolve(expanded(str(model)), trusted=trusted), options)
    for error in done.failed.values():
        raise error
    assert done.bundle is not None
    if not done.passed:
        raise UserError(f"{done.bundle.path} disagrees with fp32.", f"See: e2erknn inspect {done.bundle.path}")
    return done.bundle.path
