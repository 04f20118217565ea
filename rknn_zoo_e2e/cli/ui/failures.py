"""How a command ends: two sentences for people, the exit code, and with ``--debug`` a report of the run."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from rknn_zoo_e2e.cli.ui.output import emit, escaped, masked, settings, show_error, stderr
from rknn_zoo_e2e.errors import UserError

CLICK_ERROR: Any = typer.BadParameter.__mro__[2]  # ClickException; click lies beside typer or, since 0.26, inside it
OURS = Path(__file__).parents[2]
# The machine's doing, wherever it strikes.
FULL, BROKEN = (errno.ENOSPC, errno.EDQUOT), (errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE)
PATHS = (errno.ENAMETOOLONG, errno.ELOOP)  # no path at all


def reporting(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose errors are told as users are told them, with the same parameters."""

    @wraps(command)
    def called(**options: Any) -> None:
        with reporting_errors(options):
            command(**options)

    return called


class Commands(TyperGroup):
    """The commands; what is wrong with options is told without the secrets of an address that was given for one."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        with masking_usage():
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        with masking_usage():
            return super().invoke(ctx)


@contextmanager
def masking_usage() -> Iterator[None]:
    """Masks what an error about options says."""
    try:
        yield
    except CLICK_ERROR as error:
        for name in ("message", "option_name"):
            if isinstance(said := getattr(error, name, None), str):
                setattr(error, name, masked(said))
        raise


@contextmanager
def reporting_errors(options: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Turns what ends the block into sentences on stderr and an exit code; typer's own endings pass.

    Args:
        options: what the command was called with, for the report.
    """
    ended: BaseException | None = None
    code = 0
    try:
        yield
    except (typer.Abort, typer.BadParameter):
        raise
    except typer.Exit as end:
        code = end.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read our output has had enough
        sys.exit(1)
    except KeyboardInterrupt as error:
        stderr().print("Interrupted: nothing was left half-written.\nRun the same command again to go on.")
        ended, code = error, 130
    except Exception as error:
        told = explained(error)
        told.what, told.fix = masked(told.what), masked(told.fix)
        if settings.json and not settings.emitted:
            emit({"error": {"what": told.what, "fix": told.fix}})
        show_error(told)
        ended, code = error, told.exit_code
    if settings.debug:
        report_to_file(options or {}, code, ended)
    if code:
        sys.exit(code)


def explained(error: Exception) -> UserError:
    """What is told of an exception: itself where it is meant for users, else the machine's fault or ours."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, MemoryError):
        return UserError("There is not enough memory.", "Close other programs, or give a smaller input.")
    if isinstance(error, OSError) and error.errno in (*FULL, *BROKEN):
        where = error.filename if isinstance(error.filename, str) else "A file"
        fix = "Free some space" if error.errno in FULL else "Put that right"
        return UserError(f"{where}: {error.strerror}.", f"{fix}, then run the same command again.")
    if isinstance(error, OSError) and error.errno in PATHS:
        return UserError(f"{str(error.filename)[:60]}: {error.strerror}.", "Check the path.")
    lines = [line for line in str(error).splitlines() if line.strip()]
    kind = f"{type(error).__name__}: {lines[-1].strip()[:300]}" if lines else type(error).__name__
    fix = "Attach the report to an issue." if settings.debug else "Run it again with --debug and attach the report."
    return UserError(f"This is a bug in e2erknn: {kind} ({place(error)}).", fix)


def place(error: Exception) -> str:
    """The innermost line of this package that an exception came through, such as "vision/nms.py, line 42, in nms"."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if OURS in Path(frame.filename).parents]
    frames = [frame for frame in frames if frame.filename != __file__]
    if not frames:
        return "outside its own code"
    return f"{Path(frames[-1].filename).relative_to(OURS).as_posix()}, line {frames[-1].lineno}, in {frames[-1].name}"


def report_to_file(options: Mapping[str, Any], code: int, ended: BaseException | None) -> None:
    """Writes the report and says where it is."""
    from rknn_zoo_e2e.cli.ui.report import Run, write_report

    path = write_report(Run(options, code, ended))
    if path is not None:
        stderr().print(f"Report: {escaped(str(path))}", soft_wrap=True)
