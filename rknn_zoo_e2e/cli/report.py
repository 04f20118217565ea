"""``e2erknn report``: a page about a bundle, or about several."""

from __future__ import annotations

from pathlib import Path

from rknn_zoo_e2e.cli.ui.output import Output, printable
from rknn_zoo_e2e.cli.ui.progress import StageProgress
from rknn_zoo_e2e.errors import UsageError
from rknn_zoo_e2e.reporting.report import write_report


def write_page(output: Output, bundle: Path | None, file: Path, pictures: Path | None, count: int | None) -> None:
    """Writes it and says where it is."""
    if count is not None and pictures is None:
        raise UsageError("--calib-images is how many pictures of --calib.", "Add --calib with a folder of pictures.")
    with StageProgress(output) as progress:
        written = write_report(bundle, file, pictures, count, progress.of("report"), progress.note)
    output.emit(written.report(), f"Report: {printable(str(file))} ({written.bytes / 1e6:.2f} MB)")
