"""Where output goes: results on stdout, everything else on stderr, errors in two sentences."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.media.redaction import Redaction

SERVERS = frozenset({"E2ERKNN_RELEASES", "HF_ENDPOINT", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"})


@dataclass
class Settings:
    """What the options every command has were set to, whether the one document has been printed, and what was told.

    Attributes:
        history: the latest lines of progress, notes and errors with the seconds since the start, for a report.
    """

    json: bool = False
    quiet: bool = False
    debug: bool = False
    emitted: bool = False
    start: float = field(default_factory=time.monotonic)
    history: deque[str] = field(default_factory=lambda: deque(maxlen=500))

    def remember(self, text: str) -> None:
        """Keeps a line for a report."""
        self.history.append(f"[{time.monotonic() - self.start:6.1f} s] {masked(text)}")


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
    bool,
    typer.Option(
        "--debug",
        help="Write a report to attach to an issue: versions, options, vendor's log, traceback; no tokens, no paths "
        "but those given.",
        callback=_remember("debug"),
    ),
]


def stderr() -> Console:
    """For progress, notes and errors."""
    return Console(stderr=True, highlight=False)


def note(text: str) -> None:
    """A line for people, on stderr."""
    settings.remember(text)
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


def show_error(error: UserError) -> None:
    """The two sentences, on stderr."""
    settings.remember(f"Error: {error}")
    stderr().print(
        f"[bold red]Error:[/] {escaped(printable(error.what))}\n{escaped(printable(error.fix))}", soft_wrap=True
    )


def escaped(text: str) -> str:
    """Text that holds square brackets, safe for rich."""
    from rich.markup import escape

    return escape(text)


def printable(text: str) -> str:
    """Text in one line, with escapes for what a terminal would obey, as a file may be called anything; and masked."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in masked(text))


def masked(text: str) -> str:
    """Text without the secrets of the addresses on the command line and in the variables that name servers."""
    servers = (value for name, value in os.environ.items() if name.upper() in SERVERS and "@" in value)
    return _redaction((*sys.argv[1:], *servers))(text)


@cache
def _redaction(words: tuple[str, ...]) -> Redaction:
    return Redaction(words)
