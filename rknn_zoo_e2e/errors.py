"""The errors users see."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can put right: one sentence saying what is wrong, one saying what to type or do next.

    Attributes:
        what: what is wrong, a sentence.
        fix: what to do next, a sentence.
        detail: further lines for ``--debug`` (a vendor log, a traceback), empty by default.

    Example:
        >>> from rknn_zoo_e2e import UserError, load
        >>> try:
        ...     load("shapes_rknn_model", backend="onnx", soc="rk3588")
        ... except UserError as error:
        ...     print(error.what)
        ...     print(error.fix)
        shapes_rknn_model holds no artifact for rk3588 (it holds rk3566 int8).
        Build it with: e2erknn convert shapes --soc rk3588
    """

    exit_code = 1

    def __init__(self, what: str, fix: str, detail: str = "") -> None:
        super().__init__(what, fix, detail)  # all of them, so that it can be pickled
        self.what, self.fix, self.detail = what, fix, detail

    def __str__(self) -> str:
        return f"{self.what} {self.fix}"


class UsageError(UserError):
    """The command itself cannot mean anything: an unknown name, a value outside its choices."""

    exit_code = 2


def first_line(error: Exception) -> str:
    """What an error of a library says first, or else its kind."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
