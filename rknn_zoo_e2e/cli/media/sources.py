"""SOURCE arguments to pictures, videos, cameras and streams."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from rknn_zoo_e2e.cli.media.unsupported import Unsupported, unsupported
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.files.paths import expanded
from rknn_zoo_e2e.media import capture, picture
from rknn_zoo_e2e.media.address import Address, read_address
from rknn_zoo_e2e.media.redaction import is_meant_as_address
from rknn_zoo_e2e.vision import image

SUFFIXES = image.SUFFIXES | capture.SUFFIXES
USABLE_SUFFIXES = f"Give some of: {', '.join(sorted(SUFFIXES))}."
CAMERA_NAME = re.compile(r"(?:(?:/dev/)?video)?([0-9]{1,3})")
HOST_AND_PORT = re.compile(r"[\w.-]+\.[\w.-]+:[0-9]+(/.*)?|localhost(:[0-9]+)?(/.*)?", re.DOTALL)  # without a scheme
LONGEST_NAME = 80  # characters of a name made from an address


@dataclass(frozen=True)
class Source:
    """One thing to run a model on.

    Attributes:
        kind: "picture" or "video".
        place: file, fetched picture, number of a camera, or address of a stream.
        name: for output files, without suffix and secrets.
    """

    kind: Literal["picture", "video"]
    place: Path | picture.Picture | int | Address
    name: str

    @property
    def video(self) -> bool:
        """Whether it is read frame by frame: a file, a camera or a stream."""
        return self.kind == "video"

    @property
    def live(self) -> bool:
        """Whether it may never end: a camera or a stream."""
        return isinstance(self.place, (int, Address))

    @property
    def shown(self) -> str:
        """For people and documents: without secrets."""
        return f"camera {self.place}" if isinstance(self.place, int) else str(self.place)


def find_sources(sources: Sequence[str]) -> list[Source]:
    """The sources that words of a command line mean, each once and in order.

    They are files as given, folders' pictures and videos, glob patterns' matches, cameras, streams, and pictures
    fetched from their addresses.

    Raises:
        UserError: a source that does not exist, no picture or video at all, or a camera or stream among others.
    """
    found: list[Source] = []
    for source in dict.fromkeys(sources):
        try:
            found += _find(expanded(source))
        except OSError as error:
            if is_meant_as_address(source):
                raise _incomplete() from None
            raise UserError(
                f"{source} cannot be looked into ({error.strerror}).", "Check its name and rights."
            ) from error
    if not found:
        raise UserError(f"No pictures or videos in {', '.join(sources)}.", USABLE_SUFFIXES)
    found = list(dict.fromkeys(found))
    if len(found) > 1 and any(source.live for source in found):
        raise UsageError("A camera or stream never ends, so there is no turn for other sources.", "Give it alone.")
    return found


def _find(source: str) -> list[Source]:
    """What one argument means."""
    if "://" in source:
        return [_at_address(source)]
    path = Path(source)
    if path.is_dir():
        return _in_folder(path)
    if not path.is_file() and (camera := _camera(path)) is not None:
        return [Source("video", camera, f"camera{camera}")]
    if path.exists():
        return [_file(path)]
    if glob.has_magic(source) and (matches := sorted(glob.glob(source, recursive=True))):
        hidden_too = os.path.basename(source).startswith(".")
        files = [Path(m) for m in matches if not os.path.isdir(m)]
        return [_file(p) for p in files if p.suffix.lower() in SUFFIXES and (hidden_too or _is_visible(p))]
    if kind := unsupported(source):
        raise _refused(kind)
    if is_meant_as_address(source) or HOST_AND_PORT.fullmatch(source):
        raise _incomplete()
    raise UsageError(f"{source} does not exist.", "Check the path; quote a glob pattern.")


def _in_folder(folder: Path) -> list[Source]:
    inside = [p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and _is_visible(p) and not p.is_dir()]
    if not inside:
        below = any(p.is_dir() and _is_visible(p) for p in folder.iterdir())
        fix = f"To look into its sub-folders: e2erknn demo '{folder}/**/*'" if below else USABLE_SUFFIXES
        raise UserError(f"There are no pictures or videos in {folder}.", fix)
    return [*map(_file, sorted(inside))]


def _is_visible(path: Path) -> bool:
    """Whether it is no file that systems keep for themselves, such as macOS's ``._a.jpg`` and ``__MACOSX/a.jpg``."""
    return not path.name.startswith(".") and "__MACOSX" not in path.parts


def _file(path: Path) -> Source:
    if path.suffix.lower() == ".streams" and (kind := unsupported(path.name)):
        raise _refused(kind)
    return Source("video" if path.suffix.lower() in capture.SUFFIXES else "picture", path, path.stem)


def _camera(path: Path) -> int | None:
    """The number of the camera that a number, a device or a link to one means; None for anything else.

    Raises:
        UserError: it is another device, or none.
    """
    real = os.path.realpath(path)
    if found := re.fullmatch(r"/dev/video([0-9]{1,3})", real) or CAMERA_NAME.fullmatch(str(path)):
        return int(found[1])
    device = Path(real)
    if device.is_char_device() or device.is_block_device():
        raise UserError(f"{path} is a device, but no camera.", _cameras_there())
    if real.startswith("/dev/") and not device.exists() and not glob.has_magic(real):
        leads = f" leads to {real}, which" if path.is_symlink() else ""
        raise UserError(f"{path}{leads} is not there.", _cameras_there())
    return None


def _cameras_there() -> str:
    """What to give instead: a camera that is connected."""
    there = ", ".join(map(str, capture.cameras()))
    return f"Give the number of a camera: {there}." if there else "Connect a camera first."


def _refused(kind: Unsupported) -> UsageError:
    camera = next(iter(capture.cameras()), 0)
    return UsageError(kind.what, kind.fix.format(camera=camera))


def _incomplete() -> UsageError:
    """For what is neither a file nor an address, but has a part of one."""
    return UsageError(
        "That is no file, and no whole address.",
        "Give an address with its scheme, for example: http://HOST/PATH or rtsp://USER:PASSWORD@HOST/PATH",
    )


def _at_address(text: str) -> Source:
    """What an address leads to: a file here, a picture, or a stream."""
    if kind := unsupported(text):
        raise _refused(kind)
    address = read_address(text, (*capture.SCHEMES, "file"))
    if kind := unsupported(f"{address.host}/"):
        raise _refused(kind)
    if address.scheme == "file":
        path = Path(unquote(address.path))
        if address.host not in ("", "localhost") or not path.exists():
            raise UsageError(f"{address} is no file on this machine.", "Give the path of a file.")
        [source] = [_file(path)]
        return source
    if address.scheme in picture.SCHEMES and (fetched := picture.fetch(address)):
        stem = Path(address.last_segment).stem
        return Source("picture", fetched, _name(stem) or _name(address.host) or "picture")
    return Source("video", address, _name(str(address).partition("://")[2]) or "stream")


def _name(text: str) -> str:
    """A part of a file's name that no system and shell minds."""
    return re.sub(r"[^\w.]+", "-", text).strip("-.")[:LONGEST_NAME]
