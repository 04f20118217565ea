"""Work on several threads whose results come in the order of what they were made from."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(work: Callable[[T], R], items: Iterable[T], threads: int) -> Generator[R]:
    """``work`` of each item on some threads; results in the items' order.

    Items are taken as results are: only a few are under way. An error of ``work`` or of ``items`` is raised once
    the results before it were given, and ends it; so does closing the iterator. What runs then is waited for.
    """
    executor, pending = ThreadPoolExecutor(threads, "e2erknn"), deque[Future[R]]()
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
            if len(pending) >= threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        executor.shutdown(cancel_futures=True)
