"""Which rknn-toolkit2 is installed, and what that means; it is not imported."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from rknn_zoo_e2e.boards.environment import TOOLKITS, USUAL_TOOLKIT, fits, release, version_of
from rknn_zoo_e2e.errors import UserError

CRASHING_VERSIONS = (
    ">=2.5,<2.6"  # with SIGSEGV, on attention for the SoCs whose channels are placed (rv1106; YOLO11 and YOLO26)
)
INSTALL = f"pip install 'rknn-toolkit2=={USUAL_TOOLKIT}'"


def check_version() -> None:
    """Raises :class:`UserError` where the toolkit is not one that was tried: it may crash, or build wrong models."""
    installed = version_of("rknn-toolkit2")
    if installed and not fits(installed, TOOLKITS):
        raise UserError(
            f"rknn-toolkit2 {installed} is installed; this was tried with {TOOLKITS} and needs one of those.",
            f"Install the usual one with: {INSTALL}",
        )


def check_same(built_with: str, file: str) -> None:
    """Raises :class:`UserError` where the toolkit here would not build ``file`` as ``built_with``, a version, did."""
    installed = version_of("rknn-toolkit2")
    if installed and release(installed) != release(built_with):
        raise UserError(
            f"{file} was built with rknn-toolkit2 {built_with}; the simulator of {installed} would run another model.",
            f"Use --backend onnx, or: pip install 'rknn-toolkit2=={built_with}'",
        )


def known_crash(operators: Collection[str], soc: str) -> str:
    """Why the toolkit here would crash on a graph of these operators for a SoC whose channels are placed, "" if not."""
    installed = version_of("rknn-toolkit2") or ""
    if "Softmax" not in operators or not installed or not fits(installed, CRASHING_VERSIONS):
        return ""
    return f"rknn-toolkit2 {installed} crashes on attention (Softmax) for {soc}"


@contextmanager
def advised() -> Iterator[None]:
    """Where another toolkit than the usual one fails (its error has a log), the usual one is what to try first."""
    try:
        yield
    except UserError as error:
        installed = version_of("rknn-toolkit2")
        if not error.detail or not installed or release(installed) == release(USUAL_TOOLKIT):
            raise
        fix = f"This is rknn-toolkit2 {installed}; try the usual one: {INSTALL} (the vendor's log: --debug)"
        raise UserError(error.what, fix, error.detail) from error
