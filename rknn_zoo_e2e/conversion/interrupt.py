"""Ctrl-C, and being asked to end, while builds are under way."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from types import FrameType
from typing import Any

POLL_SECONDS = 0.2  # between two looks at what is under way
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))


@contextmanager
def held_back(event: threading.Event) -> Iterator[Callable[[], None]]:
    """What ends us sets ``event``, and raises what it would have raised when the function given here is called.

    An exception from a signal can strike anywhere: inside a callback, where it is lost, or while a lock of a future is
    taken, which is then never given back, and whoever needs it waits for ever.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    received: list[int] = []

    def handler(number: int, _: FrameType | None) -> None:
        received.append(number)
        event.set()

    before = {number: its for number in ENDING_SIGNALS if callable(its := signal.getsignal(number))}

    def check() -> None:
        if received:
            before[signal.Signals(received[0])](received[0], None)

    for number in before:
        signal.signal(number, handler)
    try:
        yield check
    finally:
        for number, its in before.items():
            signal.signal(number, its)


def wait_until(futures: Collection[Future[Any]], left: int, check: Callable[[], None]) -> None:
    """Waits until no more than ``left`` are waiting or running, in naps: ``check`` is called between them."""
    check()
    while len(pending := {future for future in futures if not future.done()}) > left:
        wait(pending, POLL_SECONDS, FIRST_COMPLETED)
        check()
