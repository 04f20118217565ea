"""The Rockchip SoCs as data."""

from __future__ import annotations

from dataclasses import dataclass

from rknn_zoo_e2e.errors import UsageError

# All their NPUs keep 16 int8 (8 fp16) channels together; a map whose channels fill whole blocks is reshaped for free.
BLOCK = 16


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
    """

    name: str
    cores: int
    tail: str
    softmax: bool = True
    aligned: bool = False
    reshapes: int | None = None

    @property
    def fp16(self) -> bool:
        """Whether the NPU computes in fp16; one that does not decodes boxes without a division (``heads.dfl``)."""
        return self.tail == "fp16"


# Cores from the vendor's data sheets; tails as rknn-toolkit2 2.3.2 builds or refuses them, the rest from its tables.
SOCS = {
    soc.name: soc
    for soc in (
        Soc("rk3562", 1, "fp16"),
        Soc("rk3566", 1, "fp16", softmax=False),
        Soc("rk3568", 1, "fp16", softmax=False),
        Soc("rk3576", 2, "fp16"),
        Soc("rk3588", 3, "fp16"),
        Soc("rv1103", 1, "int16", aligned=True, reshapes=8192),
        Soc("rv1103b", 1, "int8"),
        Soc("rv1106", 1, "int16", aligned=True, reshapes=8192),
        Soc("rv1106b", 1, "int8"),
        Soc("rv1126b", 1, "fp16"),
    )
}

PRECISIONS = ("int8", "fp16")


def find_soc(name: str) -> Soc:
    """The SoC of that name, case aside. Raises :class:`UsageError` for an unknown one."""
    soc = SOCS.get(name.lower())
    if soc is None:
        raise UsageError(f"{name!r} is not a known SoC.", f"Choose one of: {', '.join(SOCS)}.")
    return soc


def check_precision(soc: Soc, precision: str) -> None:
    """Raises :class:`UsageError` where ``soc`` cannot run ``precision``."""
    if precision not in PRECISIONS:
        raise UsageError(f"{precision!r} is not a precision.", f"Choose one of: {', '.join(PRECISIONS)}.")
    if precision == "fp16" and not soc.fp16:
        able = ", ".join(s.name for s in SOCS.values() if s.fp16)
        raise UsageError(f"{soc.name} has an integer-only NPU: no fp16.", f"Use --precision int8, or one of: {able}.")
