"""SOURCE arguments to picture files."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.vision.image import SUFFIXES

GIVE = f"Give some of: {', '.join(sorted(SUFFIXES))}."


def find_pictures(sources: Sequence[str]) -> list[Path]:
    """Files as given, folders' pictures, glob patterns' matches, each once and in order.

    Raises:
        UserError: a source that does not exist, or no picture at all.
    """
    paths: list[Path] = []
    for source in sources:
        path = Path(source)
        if path.is_dir():
            found = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
            if not found:
                raise UserError(f"There are no pictures in {source}.", GIVE)
            paths += found
        elif path.exists():
            paths.append(path)
        elif matches := sorted(glob.glob(source, recursive=True)):
            paths += [Path(m) for m in matches if Path(m).suffix.lower() in SUFFIXES]
        else:
            raise UsageError(f"{source} does not exist.", "Check the path; quote a glob pattern.")
    if not paths:
        raise UserError(f"No pictures in {', '.join(sources)}.", GIVE)
    return list(dict.fromkeys(paths))
