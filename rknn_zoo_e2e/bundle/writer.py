"""Writing a bundle in one step: at any moment its folder is wholly the old one or wholly the new one."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from rknn_zoo_e2e.bundle.model import METADATA, Bundle
from rknn_zoo_e2e.bundle.reader import changed, newest
from rknn_zoo_e2e.bundle.schema import LARGEST, check_manifest
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.staging import staged


def write_bundle(bundle: Bundle, made: dict[str, Path | bytes]) -> None:
    """Writes the whole bundle in one step.

    Args:
        bundle: its final state; files of artifacts it keeps are linked or copied from the folder as it is now.
        made: new files, by name inside the bundle: a file to copy, or its content.

    Raises:
        UserError: it cannot be written, or :func:`~rknn_zoo_e2e.bundle.reader.read_bundle` would refuse it.
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
        for name, text in bundle.texts.items():
            (stage / name).write_text(text, encoding="utf-8")
        with contextlib.suppress(FileNotFoundError):  # another bundle was removed just now
            before = newest(bundle.path.parent)
            if before is not None and changed(before) >= changed(stage):  # the clock went back
                os.utime(stage / METADATA, ns=(changed(before) + 1000,) * 2)


def link_or_copy(source: Path, target: Path) -> None:
    """Makes ``target`` a hard link to ``source``, or a copy where the file system has no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
