"""One live table of all builds on a terminal; elsewhere plain lines."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rknn_zoo_e2e.cli.ui.output import Output, printable, stderr
from rknn_zoo_e2e.cli.ui.progress import StageProgress
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.progress import Progress

LINES_BESIDE_ROWS = 6  # of the table: its frame, headings and caption
# How a row looks, and which rows give way first where not all fit: what is over and went well.
STYLES = {"under way": "", "failed": "red", "waiting": "dim", "reused": "green", "built": "green"}


@dataclass
class Row:
    """One build."""

    model: str
    soc: str  # and precision
    state: str = "waiting"
    stage: str = ""
    share: float = 0.0
    result: str = ""
    start: float = 0.0
    end: float = 0.0


class BuildTable:
    """A row a build: stage, share, seconds, result (:class:`rknn_zoo_e2e.progress.Tracker`).

    Where no table that changes can be drawn, ``lines`` says the same line by line.
    """

    def __init__(self, output: Output) -> None:
        self.live = output.animated
        self.lines = StageProgress(output)
        self.rows: dict[str, Row] = {}
        self.table_lock = threading.RLock()
        self.table = Live(get_renderable=self.render, console=stderr(), transient=True, refresh_per_second=4)

    def __enter__(self) -> BuildTable:
        if self.live:
            self.table.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.live:
            self.table.stop()

    @property
    def finished(self) -> int:
        """Builds that are in their bundles."""
        return sum(row.state in ("built", "reused") for row in self.rows.values())

    def expect(self, model: str, builds: Sequence[str]) -> None:
        """Adds a row for each build that will follow."""
        with self.table_lock:
            self.rows |= {build: Row(model, build.removeprefix(f"{model}-")) for build in builds}

    def stage(self, what: str, stage: str, share: float = 0.0, detail: str = "") -> None:
        """``what`` is a build, or a model: then all its builds wait for this stage."""
        with self.table_lock:
            if row := self.rows.get(what):
                row.state, row.start = "under way", row.start or time.monotonic()
            waiting = [other for other in self.rows.values() if other.model == what and other.state == "waiting"]
            for changed in [row] if row else waiting:
                changed.stage, changed.share = stage, share
        if not self.live:
            self.lines.stage(what, stage, share)

    def of(self, what: str) -> Progress:
        """What is told of the stages of one of them (a build, or a model)."""
        return partial(self.stage, what)

    def done(self, what: str, result: str | UserError = "", reused: bool = False) -> None:
        """A build is finished: new or reused, with its result in words, or with why it failed."""
        with self.table_lock:
            row = self.rows[what]
            row.end = time.monotonic()
            if isinstance(result, UserError):
                row.state, row.result = "failed", result.what
            else:
                row.state, row.result = "reused" if reused else "built", result
        if not self.live:
            self.lines.done(what, result, reused)

    def note(self, text: str) -> None:
        """A line above the table."""
        if self.live:
            self.table.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)
        else:
            self.lines.note(text)

    def render(self) -> Table:
        """The table as it is now, no taller than the terminal."""
        with self.table_lock:
            rows = list(self.rows.values())
            counts = {state: sum(row.state == state for row in rows) for state in STYLES}
            room = max(1, stderr().height - LINES_BESIDE_ROWS)
            hidden = 0
            for state in reversed(STYLES):
                surplus = [row for row in rows if row.state == state][: max(0, len(rows) - room)]
                hidden += len(surplus)
                rows = [row for row in rows if row not in surplus]
            caption = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
            table = Table(caption=caption + (f"; {hidden} not shown" if hidden else ""), caption_justify="left")
            for heading, width in (
                ("model", max((len(row.model) for row in self.rows.values()), default=0)),
                ("SoC", max((len(row.soc) for row in self.rows.values()), default=0)),
            ):
                table.add_column(heading, no_wrap=True, min_width=width)
            table.add_column("stage", no_wrap=True, min_width=9)
            table.add_column("", width=16, no_wrap=True)
            table.add_column("s", justify="right", no_wrap=True, min_width=3)
            table.add_column("result", no_wrap=True, overflow="ellipsis", ratio=1)
            for row in rows:
                table.add_row(*self.cells(row), style=STYLES[row.state])
            return table

    @staticmethod
    def cells(row: Row) -> tuple[Text | ProgressBar, ...]:
        """What a row shows, in the order of the columns."""
        now = time.monotonic()
        seconds = f"{(row.end or now) - row.start:.0f}" if row.start else ""
        over = row.state not in ("under way", "waiting")
        stage = row.state if over else row.stage or row.state
        bar: Text | ProgressBar = Text()
        if not over and row.stage:
            bar = ProgressBar(1.0, row.share, width=16, pulse=not row.share, animation_time=now)
        return Text(row.model), Text(row.soc), Text(stage), bar, Text(seconds), Text(row.result)
