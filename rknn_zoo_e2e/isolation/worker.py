"""The child's side: answers its parent until that hangs up.

Its standard output and error go to a file; it talks to its parent over an inherited socket.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.isolation.messages import Answer, Failed, Refused, Stage
from rknn_zoo_e2e.progress import Progress


class LibraryError(Exception):
    """A call into a library failed; its text says which and how."""


class Worker:
    """Runs verbs.

    Attributes:
        stage: the one under way.
    """

    def __init__(self, link: Connection) -> None:
        self.link, self.stage = link, "start"

    def enter(self, stage: str, share: float = 0.0, /) -> None:
        """Tells the parent how far we are."""
        self.stage = stage
        self.link.send(Stage(stage, share))

    def serve(self, verbs: dict[str, Callable[[Any], object]]) -> None:
        """Answers until the parent hangs up."""
        while True:
            try:
                verb, argument, stage = self.link.recv()
            except EOFError:
                return
            self.stage = stage or self.stage
            try:
                answer: object = Answer(verbs[verb](argument))
            except UserError as error:
                answer = Refused(error)
            except (Exception, SystemExit) as error:  # whatever a library throws is the parent's to tell
                with contextlib.suppress(OSError):  # a full disk
                    traceback.print_exc()
                    sys.stderr.flush()
                answer = Failed(self.stage, in_words(error))
            self.link.send(answer)


def in_words(error: BaseException) -> str:
    """The last line of an exception: libraries put whole tracebacks into their messages."""
    lines = [line.strip().rstrip(".") for line in str(error).splitlines() if line.strip()]
    if isinstance(error, LibraryError) and lines:
        return lines[-1]
    kind = type(error).__name__
    return lines[-1] if lines and lines[-1].startswith(kind) else ": ".join([kind, *lines[-1:]])


def serve(link: int, verbs_of: Callable[[Progress], dict[str, Callable[[Any], object]]]) -> None:
    """Runs a worker on an inherited socket until its parent hangs up.

    Args:
        verbs_of: takes what tells of stages, gives verb -> what to do with its argument.
    """
    worker = Worker(Connection(link))
    worker.serve(verbs_of(worker.enter))
