"""Where output goes: results on stdout, everything else on stderr, errors in two sentences."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TextIO

from rich.console import Console, RenderableType
from rich.markup import escape

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.media.redaction import Redaction

# Variables that name servers; what stands before the @ of their addresses is secret.
SERVER_VARIABLES = frozenset({"E2ERKNN_RELEASES", "HF_ENDPOINT", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"})
HISTORY_LINES = 500
PIPED_WIDTH = 200  # columns at least where no terminal sets the width, so that no cell of a table is cut off


@dataclass
class Output:
    """What one run of a command says. Every command makes one and hands it to whatever has something to say.

    Attributes:
        json: one JSON document on stdout, all else on stderr.
        quiet: no progress, no notes and no tables.
        debug: a report of the run is wanted.
        emitted: the JSON document has been printed.
        history: the latest lines of progress, notes and errors with the seconds since the start, for the report.
    """

    json: bool = False
    quiet: bool = False
    debug: bool = False
    emitted: bool = field(default=False, init=False)
    history: deque[str] = field(default_factory=lambda: deque(maxlen=HISTORY_LINES), init=False)
    _start: float = field(default_factory=time.monotonic, init=False)
    _results: TextIO | None = field(default=None, init=False)

    @property
    def animated(self) -> bool:
        """Whether progress is drawn as bars and tables that change: only where somebody looks at a terminal."""
        return sys.stderr.isatty() and not self.quiet

    def claim_stdout(self) -> None:
        """Keeps stdout for the one document: what libraries print from here on, in Python or C, goes to stderr."""
        sys.stdout.flush()
        # A file name that is no UTF-8 comes out as JSON's own escapes.
        self._results = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")
        os.dup2(2, 1)

    def remember(self, text: str) -> None:
        """Keeps a line for the report."""
        self.history.append(f"[{time.monotonic() - self._start:6.1f} s] {masked(text)}")

    def note(self, text: str) -> None:
        """A line for people, on stderr."""
        self.remember(text)
        if not self.quiet:
            stderr().print(printable(text), markup=False, soft_wrap=True)

    def emit(self, document: Any, *shown: RenderableType) -> None:
        """The result: the document with ``--json``, else what people read; a string as it is, not wrapped."""
        if self.json:
            self.emitted = True
            print(json.dumps(document, ensure_ascii=False), file=self._results or sys.stdout, flush=True)
            return
        if self.quiet:
            return
        console = Console(highlight=False, markup=False)
        if not console.is_terminal:
            width = None if os.environ.get("COLUMNS") else max(console.width, PIPED_WIDTH)
            console = Console(highlight=False, markup=False, width=width)
        for part in shown:
            console.print(part, markup=False, soft_wrap=isinstance(part, str))

    def error(self, error: UserError) -> None:
        """The two sentences, on stderr."""
        self.remember(f"Error: {error}")
        what, fix = escape(printable(error.what)), escape(printable(error.fix))
        stderr().print(f"[bold red]Error:[/] {what}\n{fix}", soft_wrap=True)


def stderr() -> Console:
    """For progress, notes and errors."""
    return Console(stderr=True, highlight=False)


def printable(text: str) -> str:
    """Text in one line, with escapes for what a terminal would obey, as a file may be called anything; and masked."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in masked(text))


def masked(text: str) -> str:
    """Text without the secrets of the addresses on the command line and in the variables that name servers."""
    servers = (value for name, value in os.environ.items() if name.upper() in SERVER_VARIABLES and "@" in value)
    return _redaction((*sys.argv[1:], *servers))(text)


@cache
def _redaction(words: tuple[str, ...]) -> Redaction:
    return Redaction(words)
