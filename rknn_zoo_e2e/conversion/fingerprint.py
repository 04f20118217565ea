"""What goes into an artifact, as a digest: an artifact with an equal one need not be built again.

Nothing here imports torch or the vendor's toolkit, so that a rerun ends at once.
"""

from __future__ import annotations

import hashlib
import json

from rknn_zoo_e2e.boards.environment import version_of
from rknn_zoo_e2e.boards.install import PROJECT
from rknn_zoo_e2e.boards.soc import Soc
from rknn_zoo_e2e.conversion.options import Options
from rknn_zoo_e2e.quantization.calibration import Calibration

RECIPE = 7  # raised whenever the graph, the precision plan or the custom string changes
# Whose code shapes an artifact: the toolkit compiles it, torch writes the graph of Ultralytics' layers, onnx rewrites
# it for a SoC. (ONNX Runtime only measures ranges, equal but for rounding whatever its version.) Our own part is told
# by RECIPE: most of our releases change nothing of what is built.
PACKAGES = ("rknn-toolkit2", "torch", "ultralytics", "onnx")


def package_versions() -> dict[str, str]:
    """Versions of this package and of all that shapes an artifact, "" where one is not installed."""
    return {name: version_of(name) or "" for name in (PROJECT, *PACKAGES)}


def fingerprint(
    weights_sha256: str,
    soc: Soc,
    options: Options,
    calibration: Calibration | None,
    imgsz: tuple[int, int] | None,
) -> str:
    """Digest of all that goes into one artifact.

    Not among it are this package's version (:data:`RECIPE` stands for what it does), and whether the artifact was
    verified, which changes nothing in it and is told by its ``parity``. Other packages' versions are: a minor release
    of torch may write another graph of the same model, one of Ultralytics may correct a layer, and a wrong artifact
    that is kept costs more than one that is built twice. (Fingerprints of 0.1.0's first bundles held the other two as
    well: such a bundle is built once more.)

    Args:
        options: of it the precision, the layout, the contract and the bound.
        calibration: the pictures; what they are matters to INT8 alone.
        imgsz: input (height, width) in px, None for the size the model was trained at, however it was asked for.
    """
    versions = package_versions()
    parts: dict[str, object] = {
        "recipe": RECIPE,
        "versions": {name: versions[name] for name in PACKAGES},
        "weights": weights_sha256,
        "soc": soc.name,
        "precision": options.precision,
        "imgsz": imgsz,
        "layout": options.layout_of(soc),
        "contract": options.contract,
        "calibration": calibration.digest if calibration and options.precision == "int8" else None,
    }
    if options.bound is not None:
        parts["bound"] = [options.bound.limit, options.bound.digest]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
