"""The Python call for the main job."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rknn_zoo_e2e.conversion.pipeline import convert as run
from rknn_zoo_e2e.conversion.recipe import DEFAULT_PICTURES, Options
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.isolation.parent import TIME_LIMIT
from rknn_zoo_e2e.soc import find_soc
from rknn_zoo_e2e.zoo import resolve


def convert(
    model: str | Path,
    socs: Sequence[str],
    precision: str = "int8",
    imgsz: int | tuple[int, int] | None = None,
    calib: str | Path | None = None,
    calib_images: int = DEFAULT_PICTURES,
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
        socs: Rockchip SoCs, e.g. ["rk3566", "rk3588"].
        precision: "int8" or "fp16".
        imgsz: input side or (height, width) in px, the training size by default.
        calib: folder, data.yaml or list of pictures like those the model will see.
        calib_images: how many of them to calibrate with.
        layout: "flat" (Ultralytics' order) or "grid".
        out: folder the bundle goes into.
        verify: compare with fp32.
        overwrite: replace a bundle made from something else.
        time_limit: seconds a stage may go without progress.
        trusted: whether code in the ``.pt`` may run.

    Raises:
        UserError: it was refused, a build failed, or the result disagrees with fp32 (it is written nevertheless).
    """
    options = Options(
        socs=tuple(find_soc(soc) for soc in socs),
        precision=precision,
        imgsz=(imgsz, imgsz) if isinstance(imgsz, int) else imgsz,
        calib=Path(calib) if calib is not None else None,
        calib_images=calib_images,
        layout=layout,
        out=Path(out),
        verify=verify,
        overwrite=overwrite,
        time_limit=time_limit,
    )
    done = run(resolve(str(model), trusted=trusted), options)
    for error in done.failed.values():
        raise error
    assert done.bundle is not None
    if not done.passed:
        raise UserError(f"{done.bundle.path} disagrees with fp32.", f"See: e2erknn inspect {done.bundle.path}")
    return done.bundle.path
