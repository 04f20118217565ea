"""Reads facts about this board: its SoC, and its NPU's driver, library and device nodes. Used by load and doctor.

``root`` is everywhere the folder that stands for ``/``.
"""

from __future__ import annotations

import mmap
import os
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rknn_zoo_e2e.boards.environment import version_of
from rknn_zoo_e2e.boards.native import Library, read_library
from rknn_zoo_e2e.boards.soc import SAME_FILES, SAME_NPU, SOCS

ROOT = Path("/")

# The driver's MODULE_VERSION, and the file "version" it makes in debugfs (root's alone) or procfs (rknpu_debugger.c).
DRIVER_VERSIONS = ("sys/module/rknpu/version", "sys/kernel/debug/rknpu/version", "proc/rknpu/version")
DRIVER = "sys/bus/platform/drivers/RKNPU"
MAINLINE_DRIVER = "sys/module/rocket"  # drives the same NPU, but for Mesa: librknnrt finds no device

# Paths where rknn-toolkit-lite2 2.5.0 looks for librknnrt, in its order (seen with strace); and other paths where
# distributions put it.
LOADED_LIBRARIES = ("usr/lib/librknn_runtime.so", "usr/lib64/librknn_runtime.so", "usr/lib/librknnrt.so")
OTHER_LIBRARIES = ("usr/lib64/librknnrt.so", "usr/lib/aarch64-linux-gnu/librknnrt.so", "usr/local/lib/librknnrt.so")
# Files without which rknn-toolkit-lite2 refuses to start in a container (where there is a /.dockerenv).
NEEDED_IN_CONTAINER = ("dev/dri/renderD129", "proc/device-tree/compatible")


def runs_on(built_for: str, board: str) -> bool:
    """Whether a ``.rknn`` built for one SoC runs on another."""
    return built_for == board or any({built_for, board} <= set(pair) for pair in SAME_FILES)


def device_tree(root: Path = ROOT) -> list[str]:
    """The device tree's names, such as ``rockchip,rk3588s-orangepi-5``, the board's first, the SoC's last."""
    try:
        names = (root / "proc/device-tree/compatible").read_bytes().decode("ascii", "replace").split("\0")
    except OSError:
        return []
    return [name for name in names if name]


def board_soc(root: Path = ROOT) -> str | None:
    """The SoC of this board as the toolkit calls it, None where this is no board with a known one."""
    for name in reversed(device_tree(root)):
        if found := re.match(r"rockchip,([a-z0-9]+)", name):
            soc = SAME_NPU.get(found[1], found[1])
            if soc in SOCS:
                return soc
    return None


@dataclass(frozen=True)
class Node:
    """A device node of the NPU.

    Attributes:
        usable: this user may read and write it.
        group: the group whose members may, "" if none (or root's).
    """

    path: str
    usable: bool
    group: str


@dataclass(frozen=True)
class Board:
    """A board, or Linux on aarch64 that may be one.

    Attributes:
        soc: None if it is unknown.
        compatible: the device tree's names, comma-separated; "" if there are none.
        cores: NPU cores, 0 if unknown.
        driver: version of the NPU's driver, None if it cannot be read.
        has_driver: there is a driver.
        mainline: mainline's driver (rocket) is loaded.
        library: path of librknnrt, None if there is none.
        library_version: None if it cannot be read.
        loadable: rknn-toolkit-lite2 looks for it there.
        lite2: version of rknn-toolkit-lite2, None if it is not installed.
        native: the C++ library, None if there is none.
        nodes: the NPU's device nodes.
        not_in_container: files this container lacks without which rknn-toolkit-lite2 refuses to start.
    """

    soc: str | None
    compatible: str
    cores: int
    driver: str | None
    has_driver: bool
    mainline: bool
    library: str | None
    library_version: str | None
    loadable: bool
    lite2: str | None
    native: Library | None
    nodes: tuple[Node, ...]
    not_in_container: tuple[str, ...]

    @property
    def by_library(self) -> bool:
        """Whether the C++ library drives the NPU: it does where there is no rknn-toolkit-lite2."""
        return self.lite2 is None and self.native is not None


def read_board(
    root: Path = ROOT,
    machine: str = "",
    version_of: Callable[[str], str | None] = version_of,
    read_library: Callable[[], Library | None] = read_library,
) -> Board | None:
    """The board's facts, None where this is neither a Rockchip board nor Linux on aarch64.

    Args:
        machine: by default this machine's, such as "aarch64" or "x86_64".
        version_of: gives the version of a Python package.
        read_library: gives the C++ library.
    """
    names = device_tree(root)
    on_arm = (machine or platform.machine()) == "aarch64" and platform.system() == "Linux"
    if not on_arm and not any(name.startswith("rockchip,") for name in names):
        return None
    soc, nodes, driver = board_soc(root), npu_nodes(root), driver_version(root)
    library = next((root / path for path in LOADED_LIBRARIES + OTHER_LIBRARIES if (root / path).is_file()), None)
    where = library.relative_to(root).as_posix() if library else None
    contained = (root / ".dockerenv").exists()
    return Board(
        soc=soc,
        compatible=", ".join(names),
        cores=SOCS[soc].cores if soc else 0,
        driver=driver,
        has_driver=bool(driver or nodes) or (root / DRIVER).is_dir(),
        mainline=(root / MAINLINE_DRIVER).is_dir(),
        library=f"/{where}" if where else None,
        library_version=library_version(library) if library else None,
        loadable=where in LOADED_LIBRARIES,
        lite2=version_of("rknn-toolkit-lite2"),
        native=read_library(),
        nodes=nodes,
        not_in_container=tuple(f"/{path}" for path in NEEDED_IN_CONTAINER if contained and not (root / path).exists()),
    )


def driver_version(root: Path = ROOT) -> str | None:
    """The version of the NPU's driver, such as "0.9.8"; None if there is none or this user may not read it."""
    for path in DRIVER_VERSIONS:
        try:
            found = re.search(r"\d+\.\d+\.\d+", (root / path).read_text())
        except OSError:
            continue
        if found:
            return found[0]
    return None


def library_version(path: Path) -> str | None:
    """The version in a librknnrt's bytes, ``librknnrt version: 2.3.2 (429f97ae6b@2025-04-09...)``; None without one."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            found = re.search(rb"librknnrt version: (\d+(?:\.\d+)+)", content)
            return found[1].decode() if found else None
    except (OSError, ValueError):  # unreadable, empty
        return None


def npu_nodes(root: Path = ROOT) -> tuple[Node, ...]:
    """The NPU's nodes in ``/dev``: a DRM card and its render node, or ``/dev/rknpu`` (drivers without DRM)."""
    # The numbers are no guide: beside a GPU the NPU is card1 and renderD129, alone it may be renderD128.
    drm = [path.parent.parent for path in (root / "sys/class/drm").glob("*/device/uevent") if drives_npu(path)]
    # Drivers built out of the kernel's tree leave uevent empty; udev's links have the NPU's address for a name.
    links = [path.resolve() for path in (root / "dev/dri/by-path").glob("*.npu-*")]
    names = sorted({path.name for path in drm + links})
    paths = [path for path in [*(root / "dev/dri" / name for name in names), root / "dev/rknpu"] if path.exists()]
    effective = os.access in os.supports_effective_ids
    return tuple(
        Node(
            f"/{path.relative_to(root).as_posix()}",
            os.access(path, os.R_OK | os.W_OK, effective_ids=effective),
            open_to(path),
        )
        for path in paths
    )


def drives_npu(uevent: Path) -> bool:
    """Whether a device's ``uevent`` names the NPU's driver."""
    try:
        return "DRIVER=RKNPU" in uevent.read_text().splitlines()
    except OSError:
        return False


def open_to(path: Path) -> str:
    """The group whose members may read and write a file, "" if none or root's."""
    facts = path.stat()
    if not facts.st_gid or facts.st_mode & 0o060 != 0o060:
        return ""
    try:
        return path.group()
    except KeyError:  # a group without a name here, as in a container
        return ""
