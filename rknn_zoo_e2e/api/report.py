"""``report`` as a function."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from rknn_zoo_e2e.conversion.options import whole
from rknn_zoo_e2e.files.paths import user_path
from rknn_zoo_e2e.progress import following, silent
from rknn_zoo_e2e.reporting.report import DEFAULT, write_report


def report(
    bundle: str | os.PathLike[str],
    output: str | os.PathLike[str] = DEFAULT,
    calib: str | os.PathLike[str] | None = None,
    calib_images: int | None = None,
    on_stage: Callable[[str, float], None] = silent,
) -> dict[str, Any]:
    """Writes one page about a bundle, or about the bundles in a folder: a file that asks no network for anything.

    Args:
        bundle: a bundle's folder, or a folder of bundles.
        output: the page; one that is there is replaced.
        calib: pictures to run fp32 and the builds on: a folder, ``data.yaml`` or list. Six are drawn into the page; the
            bundle keeps figures alone.
        calib_images: how many of them, spread evenly; 40 by default.
        on_stage: told of the stages, each with the share (0..1) of it that is done.

    Returns:
        The JSON of ``e2erknn report``: ``report`` (the page), ``bytes`` (its size), and all numbers in it: of a bundle
        what ``e2erknn inspect`` says and more of each of its ``artifacts`` (``layers``, ``memory``, ``loss`` ...), of a
        folder its ``bundles``.

    Raises:
        UsageError: an argument means nothing.
        UserError: there is no bundle, it or a picture cannot be read, or the page cannot be written.

    Example:
        >>> from rknn_zoo_e2e import report
        >>> written = report("shapes_rknn_model", "page.html")
        >>> written["report"], written["model"], written["artifacts"][0]["layers"][0]["op"]
        ('page.html', 'shapes', 'ConvExSwish')
    """
    source, page = user_path(bundle, "The bundle"), user_path(output, "--out")
    pictures = None if calib is None else user_path(calib, "--calib")
    count = None if calib_images is None else whole(calib_images, "--calib-images")
    return write_report(source, page, pictures, count, following(on_stage)).report()
