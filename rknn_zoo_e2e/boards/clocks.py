"""The clocks and temperatures of a board while something is measured on it, as its kernel tells them to any user.

They say what a time is worth: an NPU at half its clock takes twice as long, and a hot one is slowed down.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORD = re.compile(r"\w[\w.-]{0,39}", re.ASCII)  # governors and thermal zones, as kernels call them


@dataclass(frozen=True)
class Kind:
    """Where the kernel tells a kind of clock.

    Attributes:
        part: what runs by it; a number in the folder's name follows.
        folders: one for each such clock.
        governor, current: files in it.
        highest: files that hold the highest frequency there is, perhaps among others; the first that says one counts.
        per_mhz: of the files' unit.
    """

    part: str
    folders: str
    governor: str
    current: str
    highest: tuple[str, ...]
    per_mhz: float


# Rockchip's kernels 5.10 and 6.1: the NPU is fde40000.npu on rk3566 and rk3568, ff300000.npu on rk3562, 27700000.npu on
# rk3576, fdab0000.npu on rk3588; the memory's controller is dmc. Of max_freq some say 0.
KINDS = (
    Kind("npu", "sys/class/devfreq/*npu*", "governor", "cur_freq", ("available_frequencies", "max_freq"), 1e6),
    Kind("ddr", "sys/class/devfreq/*dmc*", "governor", "cur_freq", ("available_frequencies", "max_freq"), 1e6),
    # cpuinfo_cur_freq is root's alone.
    Kind(
        "cpu", "sys/devices/system/cpu/cpufreq/policy*", "scaling_governor", "scaling_cur_freq", ("cpuinfo_max_freq",),
        1e3,
    ),
)  # fmt: skip
ZONES = "sys/class/thermal/thermal_zone*"
COLDEST, HOTTEST = -100, 200  # °C; a sensor that is off says -274


class Clock:
    """One clock: who sets it, the highest it can be, and what it was seen at."""

    def __init__(self, kind: Kind, folder: Path) -> None:
        self._current, self._per_mhz = folder / kind.current, kind.per_mhz
        self._part = kind.part + "".join(re.findall(r"^policy(\d+)$", folder.name))
        self._governor = word(folder / kind.governor)
        self._highest = [value for name in kind.highest if (value := max(self._mhz(folder / name), default=0))]
        self._seen: list[float] = []

    def _mhz(self, path: Path) -> list[float]:
        return [round(value / self._per_mhz, 1) for value in numbers(path)]

    def look(self) -> None:
        """Notes what it is now."""
        self._seen += self._mhz(self._current)[:1]

    def report(self) -> dict[str, Any]:
        """As a measurement holds it: None where nobody says."""
        return {
            "part": self._part,
            "governor": self._governor,
            "max_mhz": next(iter(self._highest), None),
            "lowest_mhz": min(self._seen, default=None),
            "highest_mhz": max(self._seen, default=None),
        }


class Watch:
    """The clocks and temperatures of a board from now on.

    Args:
        root: the folder that stands for ``/``.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._clocks = [Clock(kind, folder) for kind in KINDS for folder in sorted(root.glob(kind.folders))]
        self._start = temperatures(root)

    def look(self) -> None:
        """Notes the clocks as they are now: to be called while the board is busy, between what is timed."""
        for clock in self._clocks:
            clock.look()

    def report(self) -> dict[str, Any]:
        """``clocks`` and ``temperatures`` (°C, at the start and now) as a measurement holds them."""
        now = temperatures(self._root)
        zones = [{"zone": zone, "start": self._start[zone], "end": now[zone]} for zone in self._start if zone in now]
        return {"clocks": [clock.report() for clock in self._clocks], "temperatures": zones}


def temperatures(root: Path) -> dict[str, float]:
    """Degrees Celsius by the name of the zone, such as ``npu-thermal``."""
    found: dict[str, float] = {}
    for zone in sorted(root.glob(ZONES), key=lambda path: (len(path.name), path.name)):
        name, values = word(zone / "type"), numbers(zone / "temp")
        if name and values and COLDEST <= values[0] / 1000 <= HOTTEST:
            found.setdefault(name, round(values[0] / 1000, 1))
    return found


def word(path: Path) -> str | None:
    """What a file of the kernel says, None where it cannot be read or says no word."""
    text = content(path)
    return text if WORD.fullmatch(text) else None


def numbers(path: Path) -> list[int]:
    """The numbers in a file of the kernel; none where it cannot be read."""
    return [int(value) for value in re.findall(r"-?\b\d{1,10}\b", content(path))]


def content(path: Path) -> str:
    """A file's text, "" where this user may not read it, or its device does not answer."""
    try:
        return path.read_text("ascii", "replace").strip()
    except OSError:
        return ""
