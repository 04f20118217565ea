"""The Rockchip SoCs as data."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass

from rknn_zoo_e2e.errors import UsageError


@dataclass(frozen=True)
class Soc:
    """One SoC.

    Attributes:
        name: as the vendor's toolkit calls it (``target_platform``).
        cores: NPU cores.
        tail: what the decode tail is computed in when the rest is INT8: "fp16", "int16" where the NPU has no floats,
            "int8" where its convolutions take nothing else.
        softmax: its NPU has a Softmax; elsewhere attention is rewritten without one (``heads.attention``).
        aligned: its NPU concatenates channels only in whole blocks, anything else is left to the CPU.
        reshapes: cells (height x width) of the largest map its NPU reshapes, larger ones are left to the CPU; None
            where there is no limit.
        python: Rockchip's Python runtime, rknn-toolkit-lite2, knows it (2.5.0's config/cpu_npu_mapper.yml).
        block: bytes of channels its NPU keeps together: 16 are 16 int8, 8 int16 or 8 fp16 channels. A map whose
            channels fill whole blocks is reshaped for free.
        ram: MB of memory in its package, of each of the packages there are; () where a board brings its own.
    """

    name: str
    cores: int
    tail: str
    softmax: bool = True
    aligned: bool = False
    reshapes: int | None = None
    python: bool = True
    block: int = 16
    ram: tuple[int, ...] = ()

    @property
    def fp16(self) -> bool:
        """Whether the NPU computes in fp16; one that does not decodes boxes without a division (``heads.dfl``)."""
        return self.tail == "fp16"

    @property
    def vision(self) -> bool:
        """Whether it is of the line for cameras, which are programmed in C and C++."""
        return self.name.startswith("rv")

    @property
    def library(self) -> str:
        """Rockchip's runtime on it: the one of 64 bits, or the small one, which Python cannot call."""
        return "librknnrt" if self.python else "librknnmrt"

    @property
    def layout(self) -> str:
        """The layout of its artifacts where none is asked for.

        Of a flat output an integer NPU does not say in which order it lies, so that C++ reads a grid in its place;
        elsewhere it is Ultralytics' order, which its own runtime reads.
        """
        return "grid" if self.vision else "flat"


# Cores from the vendor's data sheets; tails as rknn-toolkit2 2.3.2 builds or refuses them, the rest from its tables
# (blocks: "NativeShape" in the build log; rk3566's, rk3588's and rv1106's also as their runtimes report them). Memory
# as on Luckfox's boards: rv1103 on Pico Mini (64 MB), rv1106g2 on Pico Pro (128 MB), rv1106g3 on Pico Max (256 MB).
SOCS = {
    soc.name: soc
    for soc in (
        Soc("rk3562", 1, "fp16"),
        Soc("rk3566", 1, "fp16", softmax=False, block=8),
        Soc("rk3568", 1, "fp16", softmax=False, block=8),
        Soc("rk3576", 2, "fp16"),
        Soc("rk3588", 3, "fp16"),
        Soc("rv1103", 1, "int16", aligned=True, reshapes=8192, python=False, ram=(64,)),
        Soc("rv1103b", 1, "int8", python=False, block=8),
        Soc("rv1106", 1, "int16", aligned=True, reshapes=8192, python=False, ram=(128, 256)),
        Soc("rv1106b", 1, "int8", python=False, block=8),
        Soc("rv1126b", 1, "fp16"),
    )
}

# Channels that fill whole blocks on every NPU, whatever their type: one graph serves many SoCs.
BLOCK = max(soc.block for soc in SOCS.values())

PRECISIONS = ("int8", "fp16")
LAYOUTS = ("flat", "grid")

# Other names of a SoC's NPU: grades, packages and cut-down chips that run its files.
SAME_NPU = {
    # Linux, arch/arm64/boot/dts/rockchip: rk3588s.dtsi, rk3588j.dtsi and rk3566t.dtsi include the base's NPU; rk3582 is
    # an rk3588s there (rk3582-radxa-e52c.dts). Rockchip's rknpu driver takes rk3576s for an rk3576 (rknpu_devfreq.c).
    # The rest are what Rockchip stamps on packages and temperature grades of one die, and builds from one .dtsi.
    **dict.fromkeys(("rk3588s", "rk3588s2", "rk3588j", "rk3588m", "rk3582"), "rk3588"),
    **dict.fromkeys(("rk3576j", "rk3576m", "rk3576s"), "rk3576"),
    **dict.fromkeys(("rk3568b2", "rk3568j", "rk3568m"), "rk3568"),
    **dict.fromkeys(("rk3566t",), "rk3566"),
    **dict.fromkeys(("rk3562j",), "rk3562"),
    # Letters and figures behind these tell the memory in the package.
    **dict.fromkeys(("rv1106g", "rv1106g2", "rv1106g3"), "rv1106"),
    **dict.fromkeys(("rv1103g", "rv1103g1"), "rv1103"),
    **dict.fromkeys(("rv1126bp", "rv1126bj"), "rv1126b"),
}

# Pairs of SoCs that run each other's files: the toolkit's list_support_target_platform names both for such a file.
SAME_FILES = (("rk3566", "rk3568"),)

# SoCs e2erknn cannot build for, with why and what to do.
OLDER_TOOLKIT = (
    "Models for {} are built with Rockchip's first rknn-toolkit, which e2erknn does not drive.",
    "Convert for it with rknn-toolkit 1.7 of Rockchip. {others}",
)
NEWER_TOOLKIT = (
    "Models for {} are built with Rockchip's RKNN3 toolkit, which e2erknn does not drive.",
    "Convert for it with Rockchip's RKNN3 toolkit. {others}",
)
NO_NPU = ("{} has no NPU.", "Run the model on its processor: e2erknn demo IMAGE --backend onnx. {others}")
FEWER_CORES = (
    "{} has two of the three NPU cores of rk3588.",
    "Build for rk3588, and on the board use two cores: --soc rk3588, then --cores 2",
)
KNOWN_OTHERS = {
    **dict.fromkeys(("rk1806", "rk1808", "rk3399pro", "rv1109", "rv1126"), OLDER_TOOLKIT),
    **dict.fromkeys(("rk1820", "rk1828", "rk3572"), NEWER_TOOLKIT),
    **dict.fromkeys(
        ("px30", "rk3229", "rk3288", "rk3308", "rk3326", "rk3328", "rk3368", "rk3399", "rk3506", "rk3528", "rk3528a"),
        NO_NPU,
    ),
    "rk3583": FEWER_CORES,  # core_mask 0x3 in Rockchip's rknpu driver (rknpu_drv.c)
}


def find_soc(name: str, say: Callable[[str], None] = lambda text: None) -> Soc:
    """The SoC of that name, or with the NPU of the one of that name; case aside.

    Args:
        say: told where it goes by another name.

    Raises:
        UsageError: an unknown one, or one that needs another toolkit or has no NPU.
    """
    given = name.strip().lower()
    if soc := SOCS.get(SAME_NPU.get(given, given)):
        if given in SAME_NPU:
            say(f"{given} has the NPU of {soc.name}: files for {soc.name} run on it.")
        return soc
    others = f"Choose one of: {', '.join(SOCS)}."
    if given in KNOWN_OTHERS:
        what, fix = KNOWN_OTHERS[given]
        raise UsageError(what.format(given), fix.format(others=f"Else c{others[1:]}"))
    near = difflib.get_close_matches(given, [*SOCS, *SAME_NPU], 1)
    raise UsageError(f"{name!r} is not a known SoC.", f"Did you mean {near[0]}? {others}" if near else others)


def check_precision(soc: Soc, precision: str) -> None:
    """Raises :class:`UsageError` where ``soc`` cannot run ``precision``."""
    if precision not in PRECISIONS:
        raise UsageError(f"{precision!r} is not a precision.", f"Choose one of: {', '.join(PRECISIONS)}.")
    if precision == "fp16" and not soc.fp16:
        able = ", ".join(s.name for s in SOCS.values() if s.fp16)
        raise UsageError(f"{soc.name} has an integer-only NPU: no fp16.", f"Use --precision int8, or one of: {able}.")
