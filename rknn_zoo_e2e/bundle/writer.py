"""Writing a bundle: its folder is the old one or the new one at any moment."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from rknn_zoo_e2e.bundle.model import LABELS, METADATA, Bundle, changed, newest
from rknn_zoo_e2e.bundle.schema import LARGEST, check_manifest
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.staging import staged


def write_bundle(bundle: Bundle, made: dict[str, Path | bytes]) -> None:
    """Writes the whole bundle in one step.

    Args:
        bundle: its final state; files of kept artifacts are taken from the folder it has now.
        made: name inside the bundle -> new file (moved from) or content.

    Raises:
        UserError: it cannot be written, or says of itself what :func:`read_bundle` refuses.
    """
    try:
        check_manifest(bundle.metadata())
        if (size := len(bundle.metadata_text().encode())) > LARGEST[".yaml"]:
            raise ValueError(f"its {METADATA} would have {size:,} bytes")
    except ValueError as error:
        raise UserError(f"{bundle.path} could not be read again: {error}.", "Rename that, or report it.") from error
    wanted = set(bundle.checksums)
    with staged(bundle.path) as stage:
        for name in sorted(wanted):
            content = made.get(name)
            if isinstance(content, bytes):
                (stage / name).write_bytes(content)
            elif content is not None:
                shutil.copyfile(content, stage / name)
            else:
                link_or_copy(bundle.path / name, stage / name)
        (stage / LABELS).write_text(bundle.labels_text(), encoding="utf-8")
        (stage / METADATA).write_text(bundle.metadata_text(), encoding="utf-8")
        with contextlib.suppress(FileNotFoundError):  # another bundle was removed just now
            before = newest(bundle.path.parent)
            if before is not None and changed(before) >= changed(stage):  # the clock went back
                os.utime(stage / METADATA, ns=(changed(before) + 1000,) * 2)


def link_or_copy(source: Path, target: Path) -> None:
    """A hard link where the file system has them."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
