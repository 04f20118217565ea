"""Bundles as Ultralytics' own RKNN backend takes them: layout flat, one artifact.

    from ultralytics import YOLO
    from rknn_zoo_e2e.ultralytics import single

    model = YOLO(single("yolov8n_rknn_model"))

Ultralytics runs the first ``.rknn`` the file system happens to list, so a bundle with several is narrowed to the one
for this board. Nothing of Ultralytics is imported or changed here; a bundle with one artifact needs none of this.
Ultralytics suppresses overlaps even where the head needs none of it (YOLOv10, YOLO26): ``model(image, iou=1.0)`` keeps
all.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from rknn_zoo_e2e.boards.probe import board_soc, runs_on
from rknn_zoo_e2e.boards.soc import find_soc
from rknn_zoo_e2e.bundle.model import SUFFIX, Bundle
from rknn_zoo_e2e.bundle.reader import check_file, is_bundle, read_bundle
from rknn_zoo_e2e.bundle.writer import write_bundle
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.tasks.contract import find_contract


def single(
    bundle: str | os.PathLike[str],
    soc: str | None = None,
    precision: str | None = None,
    out: str | os.PathLike[str] | None = None,
) -> Path:
    """The folder to give to ``ultralytics.YOLO``: a bundle with one artifact, whole, on its own.

    Args:
        bundle: the bundle's folder.
        soc: by default this board's; may be left open where the bundle holds a single artifact.
        precision: "int8" or "fp16", the first the bundle holds by default.
        out: folder to make it in, by default the one the bundle lies in; it is named after the artifact.

    Returns:
        ``bundle`` itself where it holds nothing else, else the folder made now or by an earlier call.

    Raises:
        UserError: no such artifact, a damaged one, layout grid, no SoC given where this is no board, or something else
            (an older build too) where the folder should go.

    Example:
        >>> from rknn_zoo_e2e.ultralytics import single
        >>> print(single("shapes_rknn_model"))  # it holds one artifact: nothing to narrow
        shapes_rknn_model
    """
    whole = read_bundle(Path(bundle))
    alone = len(whole.artifacts) == 1
    soc = find_soc(soc).name if soc else None if alone else board_soc()
    soc = next((a.soc for a in whole.artifacts if soc and runs_on(a.soc, soc)), soc)
    if soc is None and not alone:
        held = ", ".join(dict.fromkeys(a.soc for a in whole.artifacts))
        raise UserError("This is no Rockchip board, so the SoC must be named.", f"Choose soc from: {held}.")
    artifact = whole.artifact(soc, precision)
    if not find_contract(whole.spec.contract).ultralytics:
        raise UserError(
            f"{whole.path} was built for {whole.spec.contract}, which Ultralytics cannot read.",
            f"Build another with: e2erknn convert {shlex.quote(whole.spec.name)} --soc {artifact.soc} -o OTHER_FOLDER",
        )
    if artifact.layout != "flat":
        model = shlex.quote(whole.spec.name)
        raise UserError(
            f"{whole.path / artifact.file} has layout {artifact.layout}, which Ultralytics cannot read.",
            f"Build it with: e2erknn convert {model} --soc {artifact.soc} --layout flat",
        )
    if alone:
        return whole.path
    check_file(whole, artifact.file, artifact.sha256)
    target = Path(out or whole.path.parent) / f"{Path(artifact.file).stem}{SUFFIX}"
    part = Bundle(
        target, whole.spec, whole.onnx_layout, whole.weights_sha256, whole.onnx_sha256, [artifact], whole.origin
    )
    if not target.exists():
        names = (whole.onnx.name, *artifact.files)
        write_bundle(part, {name: whole.path / name for name in names if name})
    elif not is_bundle(target) or read_bundle(target) != part:
        raise UserError(f"{target} is there and is something else.", "Move it away, or name another folder with out.")
    return target
