"""SOURCE arguments to pictures, videos, cameras and streams."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.vision import capture, image

SUFFIXES = image.SUFFIXES | capture.SUFFIXES
GIVE = f"Give some of: {', '.join(sorted(SUFFIXES))}."
CAMERA = re.compile(r"(?:/dev/video)?([0-9]{1,3})")


@dataclass(frozen=True)
class Source:
    """One thing to run a model on.

    Attributes:
        kind: "picture" or "video".
        place: file, number of a camera, or URL of a stream.
        name: for output files, without suffix and credentials.
    """

    kind: Literal["picture", "video"]
    place: Path | int | str
    name: str

    @property
    def video(self) -> bool:
        return self.kind == "video"

    @property
    def shown(self) -> str:
        """For people and documents: without credentials."""
        if isinstance(self.place, int):
            return f"camera {self.place}"
        return capture.masked(self.place) if isinstance(self.place, str) else str(self.place)


def find_sources(sources: Sequence[str]) -> list[Source]:
    """Files as given, folders' pictures and videos, glob patterns' matches, cameras, streams; each once and in order.

    Raises:
        UserError: a source that does not exist, no picture or video at all, or a camera or stream among others.
    """
    found: list[Source] = []
    for source in sources:
        try:
            found += _find(source)
        except OSError as error:
            raise UserError(
                f"{source} cannot be looked into ({error.strerror}).", "Check its name and rights."
            ) from error
    if not found:
        raise UserError(f"No pictures or videos in {', '.join(sources)}.", GIVE)
    found = list(dict.fromkeys(found))
    if len(found) > 1 and not all(isinstance(source.place, Path) for source in found):
        raise UsageError("A camera or stream never ends, so there is no turn for other sources.", "Give it alone.")
    return found


def _find(source: str) -> list[Source]:
    """What one argument means."""
    path = Path(source)
    if "://" in source:
        return [_stream(source)]
    if path.is_dir():
        inside = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
        if not inside:
            raise UserError(f"There are no pictures or videos in {source}.", GIVE)
        return [*map(_file, inside)]
    if not path.is_file() and (camera := CAMERA.fullmatch(source)):
        return [Source("video", int(camera[1]), f"camera{int(camera[1])}")]
    if path.exists():
        return [_file(path)]
    if matches := sorted(glob.glob(source, recursive=True)):
        return [_file(Path(m)) for m in matches if Path(m).suffix.lower() in SUFFIXES]
    raise UsageError(f"{source} does not exist.", "Check the path; quote a glob pattern.")


def _file(path: Path) -> Source:
    return Source("video" if path.suffix.lower() in capture.SUFFIXES else "picture", path, path.stem)


def _stream(url: str) -> Source:
    scheme = url.partition("://")[0].lower()
    if scheme not in capture.SCHEMES:
        raise UsageError(f"{scheme}:// is no stream that can be read.", f"Give one of: {', '.join(capture.SCHEMES)}.")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UsageError(f"{capture.masked(url)} is not an address ({error}).", "Check it for typing errors.") from None
    place = parts.netloc.rpartition("@")[2] + parts.path.rpartition("@")[2]
    return Source("video", url, re.sub(r"[^A-Za-z0-9.]+", "-", place).strip("-.")[:80] or "stream")
