"""Where output goes: results on stdout, everything else on stderr, errors in two sentences."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType

from rknn_zoo_e2e.errors import UserError


@dataclass
class Settings:
    """What the options every command has were set to, and whether the one document has been printed."""

    json: bool = False
    quiet: bool = False
    debug: bool = False
    emitted: bool = False


settings = Settings()


_results = sys.stdout


def _claim_stdout() -> None:
    """Keeps stdout for the one document: whatever libraries print from here on, in Python or C, goes to stderr."""
    global _results
    sys.stdout.flush()
    # A file name that is no UTF-8 comes out as JSON's own escapes.
    _results = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")
    os.dup2(2, 1)


def _remember(name: str) -> Any:
    def callback(value: bool) -> bool:
        setattr(settings, name, value)
        if value and name == "json" and _results is sys.stdout:
            _claim_stdout()
        return value

    return callback


Json = Annotated[
    bool, typer.Option("--json", help="One JSON document on stdout, all else on stderr.", callback=_remember("json"))
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no tables.", callback=_remember("quiet"))]
Debug = Annotated[
    bool, typer.Option("--debug", help="Show tracebacks and the vendor's log of an error.", callback=_remember("debug"))
]


def stderr() -> Console:
    """For progress, notes and errors."""
    return Console(stderr=True, highlight=False)


def note(text: str) -> None:
    """A line for people, on stderr."""
    if not settings.quiet:
        stderr().print(printable(text), markup=False, soft_wrap=True)


def emit(document: Any, *shown: RenderableType) -> None:
    """The result: the document with ``--json``, else what people read. A string is printed as it is, never wrapped."""
    if settings.json:
        settings.emitted = True
        print(json.dumps(document, ensure_ascii=False), file=_results, flush=True)
        return
    if settings.quiet:
        return
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        # Piped: as wide as the content, so that no cell is cut off.
        width = None if os.environ.get("COLUMNS") else max(console.width, 200)
        console = Console(highlight=False, markup=False, width=width)
    for part in shown:
        console.print(part, markup=False, soft_wrap=isinstance(part, str))


@contextmanager
def reporting_errors() -> Iterator[None]:
    """Turns a :class:`UserError` into two sentences and an exit code; programming errors stay loud."""
    try:
        yield
    except UserError as error:
        console = stderr()
        if settings.debug:
            console.print(error.detail or "", markup=False, soft_wrap=True)
            console.print(traceback.format_exc(), markup=False, soft_wrap=True)
        if settings.json and not settings.emitted:
            emit({"error": {"what": error.what, "fix": error.fix}})
        show_error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        stderr().print("Interrupted: nothing was left half-written.\nRun the same command again to go on.")
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read our output has had enough
        sys.exit(1)


def show_error(error: UserError) -> None:
    """The two sentences, on stderr."""
    stderr().print(
        f"[bold red]Error:[/] {escaped(printable(error.what))}\n{escaped(printable(error.fix))}", soft_wrap=True
    )


def escaped(text: str) -> str:
    """Text that holds square brackets, safe for rich."""
    from rich.markup import escape

    return escape(text)


def printable(text: str) -> str:
    """Text in one line, with escapes for what a terminal would obey: a file may be called anything."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
