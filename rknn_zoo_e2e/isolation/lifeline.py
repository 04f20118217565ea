"""How a worker process knows that its parent lives: a pipe whose other end the parent has, and nobody else.

Linux's PR_SET_PDEATHSIG will not do: it is sent when the *thread* that started the worker ends. Nor will a thread of
the worker that reads the pipe: a library in a long call may hold the interpreter's lock, so the kernel is asked.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from rknn_zoo_e2e.isolation.ownership import hold, let_go

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

HAS_LIFELINES = hasattr(fcntl, "F_SETSIG")  # Linux alone


@contextmanager
def lifeline() -> Iterator[IO[bytes]]:
    """A pipe for the length of the block: the end that the worker is to inherit, to be closed here once it has."""
    theirs, ours = os.pipe()
    hold(ours)
    try:
        with os.fdopen(theirs, "rb", buffering=0) as end:
            yield end
    finally:
        let_go(ours)


def die_with(descriptor: int) -> None:
    """Has the kernel kill this process group, a worker and all it started, once nobody has the other end any more.

    Args:
        descriptor: the inherited end of a :func:`lifeline`. Nothing is ever written into the pipe.
    """
    os.set_inheritable(descriptor, False)
    fcntl.fcntl(descriptor, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_ASYNC)
    closed = select.poll()
    closed.register(descriptor, 0)  # a hang-up is told in any case
    if closed.poll(0):  # the parent was gone before
        os.killpg(os.getpgrp(), signal.SIGKILL)
