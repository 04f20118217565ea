"""How a command ends: two sentences for people, the exit code, and with ``--debug`` a report of the run."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from rknn_zoo_e2e.cli.ui.advice import advice_for
from rknn_zoo_e2e.cli.ui.output import Output, masked, stderr
from rknn_zoo_e2e.errors import UserError

CLICK_ERROR: Any = typer.BadParameter.__mro__[2]  # ClickException; click lies beside typer or, since 0.26, inside it
PACKAGE = Path(__file__).parents[2]


class Commands(TyperGroup):
    """The commands; what is wrong with options is told without the secrets of an address that was given for one."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        """Reads the options before the command's name."""
        with masking_usage():
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        """Reads the command's own options and runs it."""
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
def reporting_errors(output: Output, options: Mapping[str, Any] | None = None) -> Iterator[Output]:
    """Around all that a command does: turns what ends it into sentences on stderr and an exit code.

    typer's own ways to end pass.

    Args:
        output: what the command says; handed on, for ``as``.
        options: what the command was called with, for the report.
    """
    options = dict(options or {})  # a copy: they may be the locals() of the command, which grow
    if output.json:
        output.claim_stdout()
    ended: BaseException | None = None
    code = 0
    try:
        yield output
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
        told = explained(error, output.debug)
        told.what, told.fix = masked(told.what), masked(told.fix)
        if output.json and not output.emitted:
            output.emit({"error": {"what": told.what, "fix": told.fix}})
        output.error(told)
        ended, code = error, told.exit_code
    if output.debug:
        report_to_file(output, options, code, ended)
    if code:
        sys.exit(code)


def explained(error: Exception, debug: bool = False) -> UserError:
    """What is told of an exception: itself where it is meant for users, else the machine's fault or ours.

    Args:
        debug: a report is written already, so nobody has to be asked for one.
    """
    if isinstance(error, UserError):
        return error
    return advice_for(error) or bug(error, debug)


def bug(error: Exception, debug: bool) -> UserError:
    """What is told of an exception that nobody foresaw."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    kind = f"{type(error).__name__}: {lines[-1].strip()[:300]}" if lines else type(error).__name__
    fix = "Attach the report to an issue." if debug else "Run it again with --debug and attach the report."
    return UserError(f"This is a bug in e2erknn: {kind} ({place(error)}).", fix)


def place(error: Exception) -> str:
    """The innermost line of this package that an exception came through, such as "vision/nms.py, line 42, in nms"."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if PACKAGE in Path(frame.filename).parents]
    frames = [frame for frame in frames if frame.filename != __file__]
    if not frames:
        return "outside its own code"
    return (
        f"{Path(frames[-1].filename).relative_to(PACKAGE).as_posix()}, line {frames[-1].lineno}, in {frames[-1].name}"
    )


def report_to_file(output: Output, options: Mapping[str, Any], code: int, ended: BaseException | None) -> None:
    """Writes the report and says where it is."""
    from rknn_zoo_e2e.cli.ui.report import Run, write_report  # only runs with --debug need all that it looks at

    path = write_report(Run(options, code, ended, output.history))
    if path is not None:
        stderr().print(f"Report: {escape(str(path))}", soft_wrap=True)
