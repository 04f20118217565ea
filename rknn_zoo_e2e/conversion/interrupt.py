"""Ctrl-C while builds are under way."""

from __future__ import annotations

import signal
import threading
from collections.abc import Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from typing import Any

NAP = 0.2  # seconds


@contextmanager
def ctrl_c_sets(event: threading.Event) -> Iterator[None]:
    """Ctrl-C sets ``event`` too: a KeyboardInterrupt alone is lost if it strikes inside a callback."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handler(*_: object) -> None:
        event.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def wait_until(futures: Collection[Future[Any]], left: int) -> None:
    """Waits until no more than ``left`` are waiting or running.

    In naps: Python looks for signals before it goes to sleep, so one that strikes in between, just after a build has
    woken us, would go unseen until the next build is over.
    """
    while len(pending := {future for future in futures if not future.done()}) > left:
        wait(pending, NAP, FIRST_COMPLETED)
