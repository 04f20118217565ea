"""What a stranger may know of this board: its SoC, what it is called, and the versions of what drives its NPU.

No name of a user or a host, no address, no serial number and no path is among it. ``root`` is everywhere the folder
that stands for ``/``.
"""

from __future__ import annotations

import platform
import re
from pathlib import Path
from typing import Any

from rknn_zoo_e2e.boards import probe
from rknn_zoo_e2e.boards.soc import SOCS

NAME = re.compile(r"[\w-]{1,30},[\w.+-]{1,49}", re.ASCII)
RUNTIME = re.compile(r"(/\S*/librknn(?:rt|mrt|_runtime)\.so[\d.]*)$", re.MULTILINE)


def board_facts(root: Path) -> dict[str, Any] | None:
    """SoC, name (as the maker calls the board in its device tree) and NPU cores; None where the SoC is not known."""
    soc = probe.board_soc(root)
    if soc is None:
        return None
    names = [name for name in probe.device_tree(root) if NAME.fullmatch(name)]
    return {"soc": soc, "name": names[0] if names else None, "cores": SOCS[soc].cores}


def versions(root: Path) -> dict[str, str | None]:
    """Of Python, librknnrt, the NPU's driver and the kernel; None where one is not to be had by this user."""
    library = loaded_library(root)
    return {
        "python": platform.python_version(),
        "librknnrt": probe.library_version(library) if library else None,
        "driver": probe.driver_version(root),
        "kernel": kernel_version(root),
    }


def loaded_library(root: Path) -> Path | None:
    """Rockchip's runtime as this process has it loaded: it may be another than the one in the usual place."""
    try:
        found = RUNTIME.search((root / "proc/self/maps").read_text("utf-8", "replace"))
    except OSError:
        return None
    return root / found[1].lstrip("/") if found else None


def kernel_version(root: Path) -> str | None:
    """The kernel's number alone: who built it may have put a name behind it."""
    try:
        found = re.match(r"\d+\.\d+(?:\.\d+)?", (root / "proc/sys/kernel/osrelease").read_text("ascii", "replace"))
    except OSError:
        return None
    return found[0] if found else None
