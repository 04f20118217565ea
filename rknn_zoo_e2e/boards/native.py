"""The C++ library of this project (``cpp/``), which drives an NPU without a package of the vendor: found and checked.

It is the file that E2ERKNN_LIBRARY names, else what the linker finds as ``libe2erknn.so``.
"""

from __future__ import annotations

import ctypes
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name

from rknn_zoo_e2e.boards.install import clone, offered, origin, remedy
from rknn_zoo_e2e.errors import UserError, first_line

VARIABLE, FILE = "E2ERKNN_LIBRARY", "libe2erknn.so"
# What this package calls; one built from older sources may lack some.
CALLS = ("open", "close", "input_of", "run", "outputs", "read", "error", "version")
BUILD = (
    "cmake -S {cpp} -B build -DBUILD_SHARED_LIBS=ON -DE2ERKNN_PROGRAM=OFF && cmake --build build "
    "&& sudo cmake --install build && sudo ldconfig"
)


def how_to_build() -> str:
    """The commands that put the library where the linker finds it."""
    place = clone(origin())
    command = BUILD.format(cpp="cpp" if place in (None, Path.cwd()) else shlex.quote(f"{place}/cpp"))
    return command if place else f"{command} in a clone of rknn-zoo-e2e"


def remedy_for_board(python: str = "") -> str:
    """What to do on a board that has nothing to drive its NPU with; ``python`` as of :func:`offered`."""
    build = f"uild the C++ library: {how_to_build()}"
    return f"{remedy('board')}; or b{build}" if offered("board", python) else f"B{build}"


@dataclass(frozen=True)
class Library:
    """The C++ library of a machine.

    Attributes:
        name: its file, as E2ERKNN_LIBRARY names it or the linker finds it.
        version: "" where it does not tell.
        fault, fix: why it cannot be used and what to do, "" where it can.
    """

    name: str
    version: str
    fault: str = ""
    fix: str = ""


def read_library() -> Library | None:
    """The library of this machine, None where there is none."""
    if not is_there():
        return None
    name = os.environ.get(VARIABLE) or FILE
    try:
        return Library(name, version_of(open_library()))
    except UserError as error:
        return Library(name, "", error.what, error.fix)


def is_there() -> bool:
    """Whether there is one, or somebody says so, be it usable or not."""
    if os.environ.get(VARIABLE):
        return True
    try:
        ctypes.CDLL(FILE)
    except OSError:
        return False
    return True


def open_library() -> ctypes.CDLL:
    """The library, of this package's version.

    Raises:
        UserError: it cannot be loaded, or is another version's.
    """
    named = os.environ.get(VARIABLE)
    try:
        library = ctypes.CDLL(named or FILE)
    except OSError as error:
        fix = f"Name the right file with {VARIABLE}, or build it" if named else "Build it"
        raise UserError(
            f"The C++ library cannot be loaded ({first_line(error)}).", f"{fix}: {how_to_build()}"
        ) from None
    lacking = [name for name in CALLS if not hasattr(library, f"e2erknn_{name}")]
    # By its name: the package's own file imports, for its types, what imports this one.
    version, ours = version_of(library), resolve_name("rknn_zoo_e2e:__version__")
    if version != ours or lacking:
        which = f"is version {version}" if version else "is no libe2erknn"
        which = f"lacks e2erknn_{lacking[0]}" if version == ours else which
        raise UserError(
            f"{named or FILE} {which}, and this package is version {ours}.",
            f"Build both from the same sources: {how_to_build()}",
        )
    return library


def version_of(library: ctypes.CDLL) -> str:
    """What the library says its version is, "" where it does not."""
    if not hasattr(library, "e2erknn_version"):
        return ""
    library.e2erknn_version.restype = ctypes.c_char_p
    return bytes(library.e2erknn_version() or b"").decode("utf-8", "replace")
