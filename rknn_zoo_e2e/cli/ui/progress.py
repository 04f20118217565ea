"""Progress on a terminal as bars with stage names, elsewhere as plain lines."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from functools import partial
from types import TracebackType

from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from rknn_zoo_e2e.cli.ui.output import Output, printable, stderr
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.progress import Progress

NAME_COLUMNS = 26  # of a terminal, for what is under way: the bars of most names begin below each other


class StageProgress:
    """Follows any number of things through their stages (:class:`rknn_zoo_e2e.progress.Tracker`)."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.lock = threading.Lock()
        self.live = output.animated
        self.tasks: dict[str, TaskID] = {}
        self.stages: dict[str, str] = {}
        self.start = time.monotonic()
        self.bars = Bars(
            SpinnerColumn(),
            TextColumn(f"{{task.description:<{NAME_COLUMNS}}}", markup=False),
            TextColumn("{task.fields[stage]:<10}"),
            BarColumn(24),
            TimeElapsedColumn(),
            TextColumn("{task.fields[detail]}", markup=False),
            console=stderr(),
            transient=True,
            disable=not self.live,
        )

    def __enter__(self) -> StageProgress:
        self.bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.bars.stop()

    def pause(self) -> None:
        """Takes the bars away, for a question or for another's bars; :meth:`stage` does not bring them back."""
        self.bars.stop()

    def stage(self, what: str, stage: str, share: float = 0.0, detail: str = "") -> None:
        """``what`` is at ``stage``, ``share`` (0..1) of it done; 0 shows a pulse. ``detail`` is for terminals only."""
        what = printable(what)
        with self.lock:
            entered = self.stages.get(what) != stage
            self.stages[what] = stage
            if entered:
                self.output.remember(f"{what}: {stage}")
            if self.live:
                if what not in self.tasks:
                    self.tasks[what] = self.bars.add_task(what, stage=stage, total=None, detail=detail)
                bar = self.tasks[what]
                self.bars.update(bar, stage=stage, total=1 if share else None, completed=share, detail=detail)
            elif entered and not self.output.quiet:
                print(f"[{time.monotonic() - self.start:6.1f} s] {what}: {stage}", file=sys.stderr, flush=True)

    def of(self, what: str) -> Progress:
        """What is told of the stages of one of them."""
        return partial(self.stage, what)

    def expect(self, model: str, builds: Sequence[str]) -> None:
        """Bars are added as their builds begin."""

    def done(self, what: str, result: str | UserError = "", reused: bool = False) -> None:
        """``what`` is finished, or failed."""
        outcome = "reused" if reused else "done"
        if isinstance(result, UserError):
            outcome = f"failed: {printable(result.what)}"
        what = printable(what)
        self.output.remember(f"{what}: {outcome}")
        with self.lock:
            if self.live and what in self.tasks:
                self.bars.update(self.tasks[what], stage=outcome, total=1, completed=1)
            elif not self.live and not self.output.quiet:
                print(f"[{time.monotonic() - self.start:6.1f} s] {what}: {outcome}", file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """A line of the result, on stdout as it comes; none with ``--json``."""
        if self.output.json or self.output.quiet:
            return
        if self.live and sys.stdout.isatty():
            self._above(text)
        else:
            self.output.emit(None, printable(text))

    def note(self, text: str) -> None:
        """A line on stderr."""
        if self.live:
            self._above(text)
        else:
            self.output.note(text)

    def _above(self, text: str) -> None:
        """A line on the terminal that has the bars; anybody else's would end up among them."""
        self.bars.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)
