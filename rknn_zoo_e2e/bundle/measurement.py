"""What a board measured of an artifact (``e2erknn bench --save``): an entry of the artifact's ``measured``.

Times are milliseconds of one picture. What a board's kernel does not tell, or not to that user, is None or not there.
"""

from __future__ import annotations

import re
from typing import Any

from rknn_zoo_e2e.files.validation import listed, mapping, nullable, number, text

MOST_MEASUREMENTS = 100  # of one artifact
STAGES = ("read", "letterbox", "infer", "post", "draw")

COUNT = number(0, 10**9, whole=True)
MS = number(0, 1e7)
MHZ = number(0, 1e5)
CELSIUS = number(-100, 200)
WORD = text(20, re.compile("[a-z0-9]+"))
PART = text(40, re.compile(r"\w[\w.-]*", re.ASCII))  # of a machine, as its kernel calls it
VERSION = text(40, re.compile(r"\d[\w.+-]*", re.ASCII))
BOARD = re.compile(r"[\w-]+,[\w.+-]+", re.ASCII)


def percentiles(value: Any, where: str) -> None:
    """Milliseconds that half, 90 % and 99 % of the runs took at most."""
    mapping({"p50": MS, "p90": MS, "p99": MS})(value, where)
    if not value["p50"] <= value["p90"] <= value["p99"]:
        raise ValueError(f"the percentiles of {where} do not rise")


ENTRY = {
    "date": text(10, re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)),
    # name: as its device tree calls it, such as xunlong,orangepi-5; cores: of its NPU.
    "board": mapping({"soc": WORD, "name": nullable(text(80, BOARD)), "cores": COUNT}),
    # backend: "board" where rknn-toolkit-lite2 ran it, "native" where this project's C++ library did.
    "software": mapping(
        {
            "e2erknn": VERSION,
            "python": VERSION,
            "backend": WORD,
            "lite2": nullable(VERSION),
            "library": nullable(VERSION),
            "librknnrt": nullable(VERSION),
            "driver": nullable(VERSION),
            "kernel": nullable(VERSION),
        }
    ),
    # A clock each of "npu", "ddr" and the processor's clusters ("cpu0", by the first of its cores): the highest there
    # is, and between which it was while the model ran.
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
