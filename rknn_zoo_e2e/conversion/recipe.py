"""What a build is made from, and its fingerprint: equal fingerprints mean the artifact need not be built again.

Nothing here imports torch or the vendor's toolkit, so that a rerun ends at once.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rknn_zoo_e2e.conversion.calibration import Calibration, from_pictures, from_shapes
from rknn_zoo_e2e.errors import UsageError
from rknn_zoo_e2e.fetch import Follow, fetch, nobody
from rknn_zoo_e2e.isolation.parent import TIME_LIMIT
from rknn_zoo_e2e.soc import Soc, check_precision
from rknn_zoo_e2e.spec import check_imgsz
from rknn_zoo_e2e.zoo import Source, asset, calibration_sets

LAYOUTS = ("flat", "grid")
RECIPE = 5  # raised whenever the graph or the precision plan changes
PACKAGES = ("rknn-zoo-e2e", "rknn-toolkit2", "torch", "ultralytics", "onnx")
DEFAULT_PICTURES = 40  # more gained nothing on yolov8n
VERIFY_PICTURES = 6


@dataclass(frozen=True)
class Options:
    """How to convert, whatever the model.

    Attributes:
        imgsz: input (height, width) in px, None for the training size.
        calib: folder, data.yaml or list of pictures; None for the model's own set.
        calib_images: how many of them to use.
        out: folder the bundle goes into.
        jobs: builds side by side.
        verify: compare each build with fp32.
        overwrite: replace a bundle made from something else.
        time_limit: seconds a stage may go without progress.
    """

    socs: tuple[Soc, ...]
    precision: str = "int8"
    imgsz: tuple[int, int] | None = None
    calib: Path | None = None
    calib_images: int = DEFAULT_PICTURES
    layout: str = "flat"
    jobs: int = 1
    out: Path = Path(".")
    verify: bool = True
    overwrite: bool = False
    time_limit: float = TIME_LIMIT

    def check(self) -> None:
        """Raises :class:`UsageError` for whatever can be refused before any work."""
        if not self.socs:
            raise UsageError("No SoC was named.", "Add for example: --soc rk3566")
        for soc in self.socs:
            check_precision(soc, self.precision)
        if self.imgsz is not None:
            check_imgsz(self.imgsz)
        if self.layout not in LAYOUTS:
            raise UsageError(f"{self.layout!r} is not a layout.", f"Choose one of: {', '.join(LAYOUTS)}.")


def artifact_name(model: str, soc: str, precision: str) -> str:
    """What an artifact's files, and its build in progress, are called."""
    return f"{model}-{soc}-{precision}"


def calibration_for(source: Source, options: Options, follow: Follow = nobody) -> Calibration | None:
    """The pictures to calibrate and verify with: those given, else the model's own set, which is fetched for INT8.

    None for fp16 without either. A model that was not asked for by its name in the zoo has no set of its own: its file
    may be anybody's.

    Raises:
        UsageError: INT8, none given and none of its own.
        UserError: its set cannot be fetched.
    """
    if options.calib is not None:
        return from_pictures(options.calib, options.calib_images)
    own = source.card.calibration if source.card else None
    if source.card is not None and own == "shapes" and source.path == source.card.shipped:
        return from_shapes(options.calib_images, source.card.task == "pose")
    if options.precision != "int8":
        return None
    if own is not None and own in calibration_sets() and source.official:
        return from_pictures(fetch(asset(own), follow).path, options.calib_images)
    raise UsageError(
        f"{source.name} needs calibration pictures like those it will see.",
        "Add --calib with a folder of 20 to 100 of them, a data.yaml or a list.txt.",
    )


def package_versions() -> dict[str, str]:
    """Versions of everything that shapes an artifact."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = ""
    return found


def fingerprint(weights_sha256: str, soc: Soc, options: Options, calibration: Calibration | None) -> str:
    """Digest of all that goes into one artifact."""
    parts = {
        "recipe": RECIPE,
        "versions": package_versions(),
        "weights": weights_sha256,
        "soc": soc.name,
        "precision": options.precision,
        "imgsz": options.imgsz,
        "layout": options.layout,
        "calibration": calibration.digest if calibration and options.precision == "int8" else None,
        "verify": options.verify,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
