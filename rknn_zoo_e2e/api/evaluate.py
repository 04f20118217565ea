"""``eval`` as a function; ``eval`` itself is Python's own word."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from rknn_zoo_e2e.conversion.options import whole
from rknn_zoo_e2e.files.paths import user_path
from rknn_zoo_e2e.measure.evaluation import evaluate_model
from rknn_zoo_e2e.progress import silent
from rknn_zoo_e2e.runtime.options import LoadOptions


def evaluate(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str],
    backend: str = "auto",
    soc: str | None = None,
    precision: str | None = None,
    split: str = "val",
    images: int | None = None,
    imgsz: int | str | Sequence[int] | None = None,
    trusted: bool = False,
    keep: bool = True,
    on_stage: Callable[[str, float], None] = silent,
    half: str | None = None,
) -> dict[str, Any]:
    """Measures mAP on a labelled data set, as Ultralytics' ``val`` does, with any backend.

    Args:
        model: bundle folder, ``hf:owner/name``, zoo name or ``.pt`` file.
        data: ``data.yaml`` of an Ultralytics data set.
        backend: as for :func:`~rknn_zoo_e2e.load`.
        soc: which SoC's artifact of a bundle; by default this board's, else its first.
        precision: of which precision; by default its first.
        split: "val", "test" or "train".
        images: only the first so many pictures; all by default.
        imgsz: input side or (height, width) in px for backend "torch"; the training size by default.
        trusted: whether code in a ``.pt`` may run.
        keep: whether to note the figures in the bundle, for its model card.
        on_stage: told of the stages, each with the share (0..1) of it that is done.
        half: "choosing" or "confirming", only that half of the pictures as :func:`~rknn_zoo_e2e.convert` splits them
            for ``max_drop``, without those the artifact is calibrated with; its figures are not noted. By default all.

    Returns:
        The JSON of ``e2erknn eval``: ``model``, ``backend``, ``soc`` and ``precision`` (of what answered, ``None`` and
        "fp32" where that is no artifact), ``data``, of a half ``half`` and ``left_out`` (how many of the pictures are
        calibration pictures), ``images`` (their number), ``skipped`` (how many more cannot be used), and ``metrics``:
        for ``box``, and ``pose``, ``mask`` or ``obb``, a mapping of ``map50`` and ``map`` (mAP50-95), each 0..1.

    Raises:
        UsageError: an argument means nothing.
        UserError: no such model, the backend cannot run it here, or the data set cannot be read or does not fit it.

    Example:
        >>> from rknn_zoo_e2e import evaluate
        >>> report = evaluate("shapes_rknn_model", "shapes/data.yaml", backend="onnx", images=8)
        >>> report["images"], report["precision"]
        (8, 'fp32')
        >>> report["metrics"]["box"]["map50"] > 0.9
        True
    """
    where = user_path(data, "--data")
    limit = None if images is None else whole(images, "--images")
    options = LoadOptions.of(model, backend, soc, precision, imgsz, None, 1, on_stage, trusted)
    evaluation = evaluate_model(options, where, split, limit, half)
    if keep:
        evaluation.keep()
    return evaluation.report()
