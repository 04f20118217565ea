"""What is asked of a toolkit worker and what a build leaves; plain data, importable without the vendor's package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# Quantisation range of every tensor: name -> (minima, maxima), lists of one as the toolkit writes them.
Ranges = dict[str, tuple[list[float], list[float]]]


@dataclass(frozen=True)
class BuildJob:
    """One build for one SoC.

    Attributes:
        onnx: the patched graph.
        soc: the vendor's ``target_platform``.
        precision: "int8" or "fp16".
        hybrid: [first tensor, last tensor] of each region that leaves INT8; empty for none. int8 only.
        pictures: letterboxed PNG files, at least one; int8 only. The toolkit calibrates with them where it must.
        ranges: of the graph's tensors; int8 only.
        rknn: file to write, none to simulate only.
        custom_string: put into the file for whoever meets it alone.
    """

    onnx: Path
    soc: str
    precision: str
    hybrid: tuple[tuple[str, str], ...] = ()
    pictures: tuple[Path, ...] = ()
    ranges: Ranges | None = None
    rknn: Path | None = None
    custom_string: str = ""


@dataclass(frozen=True)
class Built:
    """The build is done and the simulator ready.

    Attributes:
        toolkit: its version.
        ranges: all of them where the toolkit calibrated some because the given ones did not cover its graph, else None.
    """

    toolkit: str
    ranges: Ranges | None = None
