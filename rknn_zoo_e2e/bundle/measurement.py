"""What a board measured of an artifact (``e2erknn bench --save``): an entry of the artifact's ``measured``.

Times are milliseconds of one picture. What a board's kernel does not tell, or not to that user, is None or not there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rknn_zoo_e2e.files.validation import listed, mapping, nullable, number, text

MOST_MEASUREMENTS = 100  # of one artifact
STAGES = ("read", "letterbox", "infer", "post", "draw")

CLOCKS = (("npu", "NPU"), ("ddr", "Memory"))  # those that are spoken of, and how

COUNT = number(0, 10**9, whole=True)
MS = number(0, 1e7)
MHZ = number(0, 1e7)
CELSIUS = number(-100, 200)
WORD = text(20, re.compile("[a-z0-9]+"))
PART = text(40, re.compile(r"\w[\w.-]*", re.ASCII))  # of a machine, as its kernel calls it
VERSION = text(40, re.compile(r"\d[\w.+-]*", re.ASCII))
PROGRAM = text(60, re.compile(r"\w[\w.+ -]*", re.ASCII))
NAME = text(80, re.compile(r"[\w-]+,[\w.+-]+", re.ASCII))  # in a device tree: maker,board


def percentiles(value: Any, where: str) -> None:
    """Milliseconds that half, 90 % and 99 % of the runs took at most."""
    mapping({"p50": MS, "p90": MS, "p99": MS})(value, where)
    if not value["p50"] <= value["p90"] <= value["p99"]:
        raise ValueError(f"the percentiles of {where} do not rise")


ENTRY = {
    "date": text(10, re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)),
    # name: as its device tree calls it, such as xunlong,orangepi-5; cores: of its NPU.
    "board": mapping({"soc": WORD, "name": nullable(NAME), "cores": COUNT}),
    # runtime: what backend stands for, such as "rknn-toolkit-lite2 2.3.2"; driver: the NPU's in the kernel.
    "software": mapping(
        {
            "e2erknn": VERSION,
            "python": VERSION,
            "backend": WORD,
            "runtime": PROGRAM,
            "librknnrt": nullable(VERSION),
            "driver": nullable(VERSION),
            "kernel": nullable(VERSION),
        }
    ),
    # Of "npu", "ddr" and each cluster of the processor, by its first core ("cpu0", "cpu4"): the highest there is, and
    # between which it was while the model ran.
    "clocks": listed(
        mapping(
            {
                "part": PART,
                "governor": nullable(PART),
                "max_mhz": nullable(MHZ),
                "lowest_mhz": nullable(MHZ),
                "highest_mhz": nullable(MHZ),
            }
        ),
        32,
    ),
    # Degrees Celsius before the first run and after the last.
    "temperatures": listed(mapping({"zone": PART, "start": CELSIUS, "end": CELSIUS}), 64),
    # megapixels: of a picture, the mean; contexts: how often the model was open, each on an NPU core of its own.
    "run": mapping(
        {
            "pictures": COUNT,
            "megapixels": number(0, 1e4),
            "runs": COUNT,
            "warmup": COUNT,
            "contexts": COUNT,
            "conf": number(0, 1),
            "detections": number(0, 1e6),
        }
    ),
    "stages": mapping(dict.fromkeys(STAGES, percentiles)),  # one picture after the other, infer on one core
    "cores": listed(percentiles, 64),  # infer, each context alone
    "fps": mapping({"one_by_one": number(0, 1e6), "pooled": number(0, 1e6)}),  # letterbox to detections
    "cpu_ms": MS,  # letterbox and post together, the median
}
MEASURED = listed(mapping(ENTRY), MOST_MEASUREMENTS)


def clock_of(entry: Mapping[str, Any], part: str) -> dict[str, Any] | None:
    """The clock of "npu", "ddr" or "cpu0", None where the board did not tell."""
    return next((clock for clock in entry["clocks"] if clock["part"] == part), None)


def conditions(entry: Mapping[str, Any]) -> list[str]:
    """A sentence each about the clocks of NPU and memory, and the temperature; what is not known is left out."""
    said = [f"{name} clock: {clock_text(c)}." for part, name in CLOCKS if (c := clock_of(entry, part))]
    if zones := entry["temperatures"]:
        hottest = max(zones, key=lambda zone: zone["end"])
        said.append(f"Temperature: {hottest['start']:.0f} to {hottest['end']:.0f} °C ({hottest['zone']}).")
    return said


def clock_text(clock: Mapping[str, Any]) -> str:
    """Such as "600 to 1000 of 1000 MHz, rknpu_ondemand"."""
    low, high, most = clock["lowest_mhz"], clock["highest_mhz"], clock["max_mhz"]
    seen = "" if low is None else f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"
    limit = "" if most is None else f"of {most:.0f}" if seen else f"at most {most:.0f}"
    mhz = " ".join(part for part in (seen, limit) if part)
    return ", ".join(part for part in (mhz and f"{mhz} MHz", clock["governor"]) if part) or "unknown"


def board_text(entry: Mapping[str, Any]) -> str:
    """Such as "rk3588 (xunlong,orangepi-5)"."""
    soc, name = entry["board"]["soc"], entry["board"]["name"]
    return f"{soc} ({name})" if name else str(soc)


def software_text(entry: Mapping[str, Any]) -> str:
    """Such as "rknn-toolkit-lite2 2.3.2, librknnrt 2.3.2, driver 0.9.8"."""
    versions = entry["software"]
    parts = [f"{name} {versions[name]}" for name in ("librknnrt", "driver") if versions[name]]
    return ", ".join([versions["runtime"], *parts])
