"""Several contexts side by side, opened anew where one fails."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Lock
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.runtime.base import Runtime, RuntimeGone

AnyRuntime = TypeVar("AnyRuntime", bound=Runtime, covariant=True)

MAX_FAILURES_IN_A_ROW = 6  # failures in a row, of opening or of answering, after which there are no more attempts


class Pool(Generic[AnyRuntime]):
    """Runtimes of the same model, each lent to one thread at a time. One that fails is opened anew for the next user.

    A forked process opens its own when it needs them: processes, devices and threads of its parent are not its.

    Args:
        openers: what opens each of them, now and whenever it failed.

    Raises:
        UserError: one cannot be opened; then none is.
    """

    def __init__(self, openers: Sequence[Callable[[], AnyRuntime]]) -> None:
        self._openers, self.size = list(openers), len(openers)
        self._open: dict[int, AnyRuntime] = {}
        self._idle: SimpleQueue[int] = SimpleQueue()
        self._failed, self._lock = 0, Lock()  # in a row
        self._why = UserError("", "")  # the last failure
        try:
            for number, opener in enumerate(self._openers):
                self._open[number] = opener()
                self._idle.put(number)
        except BaseException:
            self.close()
            raise
        self.backend = self._open[0].backend
        POOLS.add(self)

    @property
    def runtimes(self) -> list[AnyRuntime]:
        """Those that are open, in the openers' order."""
        return [runtime for _, runtime in sorted(self._open.items())]

    def runtime(self, number: int) -> AnyRuntime:
        """One of them by its number, opened anew if it failed; for whoever has it to themselves."""
        if number not in self._open:
            self._open[number] = self._openers[number]()
        return self._open[number]

    @contextmanager
    def lend(self) -> Iterator[AnyRuntime]:
        """An idle runtime; waits until there is one. A :class:`UserError` in the block means that it failed.

        Raises:
            RuntimeGone: they failed :data:`MAX_FAILURES_IN_A_ROW` times without an answer in between.
            UserError: it had failed before and cannot be opened anew.
        """
        number = self._idle.get()
        try:
            if self._failed >= MAX_FAILURES_IN_A_ROW:
                what = f"The {self.backend} failed {self._failed} times in a row: {self._why.what}"
                raise RuntimeGone(what, self._why.fix, self._why.detail)
            try:
                yield self.runtime(number)
            except UserError as error:
                with self._lock:
                    self._failed, self._why = self._failed + 1, error
                if broken := self._open.pop(number, None):
                    broken.close()
                raise
            self._failed = 0
        finally:
            self._idle.put(number)

    def close(self) -> None:
        """Closes all that are open."""
        while self._open:
            self._open.popitem()[1].close()

    def _forked(self) -> None:
        """In a process that was just forked; threads that had something lent or locked are not in it."""
        self._parents, self._open = self._open, {}  # kept: letting go of them might close them for the parent, too
        self._idle, self._lock, self._failed = SimpleQueue(), Lock(), 0
        for number in range(self.size):
            self._idle.put(number)


POOLS: WeakSet[Pool[Any]] = WeakSet()


def _forked() -> None:
    for pool in list(POOLS):
        pool._forked()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_forked)
