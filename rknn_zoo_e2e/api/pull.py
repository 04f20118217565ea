"""``pull`` as a function."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from rknn_zoo_e2e.files.paths import user_path
from rknn_zoo_e2e.hub.pull import fetch, parse
from rknn_zoo_e2e.hub.pull import pull as run
from rknn_zoo_e2e.progress import following, silent
from rknn_zoo_e2e.runtime.options import artifact_asked


def pull(
    repo: str,
    soc: str | None = None,
    precision: str | None = None,
    out: str | os.PathLike[str] = ".",
    whole: bool = False,
    overwrite: bool = False,
    on_stage: Callable[[str, float], None] = silent,
) -> Path:
    """Fetches a published bundle: only what one SoC needs, every file compared with its checksum.

    To load a bundle without keeping it in a folder of your own, ``load("hf:owner/name")`` will do.

    Args:
        repo: owner/name, or owner/name@revision for a branch, a tag or a commit.
        soc: which SoC's build; by default this board's, else the only one.
        precision: "int8" or "fp16"; by default INT8 if there is one.
        out: folder the bundle goes into.
        whole: on a board, too, all of it, for backend "onnx"; elsewhere that is the default.
        overwrite: replace another bundle of that name.
        on_stage: told of the stages, each with the share (0..1) of it that is done.

    Returns:
        The bundle's folder. Where the very same is there already, nothing is written.

    Raises:
        UsageError: an argument means nothing, or the repo holds several SoCs and ``soc`` does not say which.
        UserError: huggingface_hub is not installed, no such repo, no network, nothing for that SoC, or a checksum
            differs.

    Example:
        >>> from rknn_zoo_e2e import load, pull
        >>> path = pull("me/shapes-rknn", soc="rk3566", out="pulled")
        >>> print(path)
        pulled/shapes_rknn_model
        >>> with load(path, backend="onnx") as predictor:
        ...     predictor.spec.task
        'detect'
    """
    name, revision = parse(repo)
    soc, precision = artifact_asked(soc, precision)
    folder = user_path(out, "--out")
    bundle = fetch(name, revision, soc, precision, following(on_stage), whole)
    path, _ = run(bundle, folder, overwrite, whole=whole)
    return path
