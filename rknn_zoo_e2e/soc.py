"""The Rockchip SoCs as data."""

from __future__ import annotations

from dataclasses import dataclass

from rknn_zoo_e2e.errors import UserError


@dataclass(frozen=True)
class Soc:
    """One SoC.

    Attributes:
        name: as the vendor's toolkit calls it (``target_platform``).
        cores: NPU cores.
        fp16: whether the NPU computes in fp16; without it the toolkit builds INT8 and INT16 only.
    """

    name: str
    cores: int
    fp16: bool


# Cores from the vendor's data sheets; fp16 as rknn-toolkit2 2.3.2 refuses or accepts a float build.
SOCS = {
    soc.name: soc
    for soc in (
        Soc("rk3562", 1, True),
        Soc("rk3566", 1, True),
        Soc("rk3568", 1, True),
        Soc("rk3576", 2, True),
        Soc("rk3588", 3, True),
        Soc("rv1103", 1, False),
        Soc("rv1103b", 1, False),
        Soc("rv1106", 1, False),
        Soc("rv1106b", 1, False),
        Soc("rv1126b", 1, True),
    )
}

PRECISIONS = ("int8", "fp16")


def find_soc(name: str) -> Soc:
    """The SoC of that name, case aside. Raises :class:`UserError` for an unknown one."""
    soc = SOCS.get(name.lower())
    if soc is None:
        raise UserError(f"{name!r} is not a known SoC.", f"Choose one of: {', '.join(SOCS)}.")
    return soc


def check_precision(soc: Soc, precision: str) -> None:
    """Raises :class:`UserError` where ``soc`` cannot run ``precision``."""
    if precision not in PRECISIONS:
        raise UserError(f"{precision!r} is not a precision.", f"Choose one of: {', '.join(PRECISIONS)}.")
    if precision == "fp16" and not soc.fp16:
        able = ", ".join(s.name for s in SOCS.values() if s.fp16)
        raise UserError(f"{soc.name} has an integer-only NPU and cannot run fp16.", f"Use --precision int8, or one of: {able}.")
