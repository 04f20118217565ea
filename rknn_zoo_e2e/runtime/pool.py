"""Several contexts side by side, and work on them whose results come in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TypeVar

from rknn_zoo_e2e.runtime import Runtime

T = TypeVar("T")
R = TypeVar("R")

SPARE = 2  # threads beside one a context: they letterbox, decode and draw while the contexts are busy


class Pool:
    """Runtimes of the same model, each lent to one thread at a time."""

    def __init__(self, runtimes: Sequence[Runtime]) -> None:
        self.runtimes = list(runtimes)
        self._idle: SimpleQueue[Runtime] = SimpleQueue()
        for runtime in self.runtimes:
            self._idle.put(runtime)

    @property
    def backend(self) -> str:
        return self.runtimes[0].backend

    @contextmanager
    def lend(self) -> Iterator[Runtime]:
        """An idle runtime; waits until there is one."""
        runtime = self._idle.get()
        try:
            yield runtime
        finally:
            self._idle.put(runtime)

    def in_order(self, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """``work`` of each item on as many threads as keep all runtimes busy; results in the items' order.

        Items are taken as results are: only a few are under way. An error of ``work`` or of ``items`` is raised once
        the results before it were given, and ends it; so does closing the iterator. What runs then is waited for.
        """
        workers = len(self.runtimes) + SPARE
        executor, pending = ThreadPoolExecutor(workers, "e2erknn"), deque[Future[R]]()
        try:
            supply = iter(items)
            while True:
                try:
                    item = next(supply)
                except StopIteration:
                    break
                except Exception:
                    while pending:
                        yield pending.popleft().result()
                    raise
                pending.append(executor.submit(work, item))
                if len(pending) >= workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            executor.shutdown(cancel_futures=True)

    def close(self) -> None:
        for runtime in self.runtimes:
            runtime.close()
