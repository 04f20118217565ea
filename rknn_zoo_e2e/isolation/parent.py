"""The parent's side of a worker process: start it, follow it, and say plainly what became of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import IO, Any, ClassVar, Protocol

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.isolation.lifeline import HAS_LIFELINES, lifeline
from rknn_zoo_e2e.isolation.messages import Answer, Failed, Refused, Stage
from rknn_zoo_e2e.isolation.workfolder import TMPDIR_ADVICE, work_folder
from rknn_zoo_e2e.progress import Progress, silent

# Seconds without progress after which a stage counts as hung: about a hundred times what the whole build of an n-size
# model takes. A large model on a slow machine may need more, and --time-limit gives it.
TIME_LIMIT = 1800
START_LIMIT = 300  # imports, from a cold and slow disk; a shorter time limit is not for them
POLL_SECONDS = 0.2  # seconds between two looks at a worker that says nothing
LEAST_SPACE = 1 << 20  # bytes; with less a failure is put down to the full disk
DISK_FULL_MESSAGES = ("No space left on device", "Disk quota exceeded")


class Flag(Protocol):
    """As much of a :class:`threading.Event` as is needed to be told to stop."""

    def is_set(self) -> bool:
        """Whether to stop."""
        ...


class Isolated:
    """A worker process in a private folder, gone with all it started and wrote when the ``with`` block ends.

    It lives as long as this process, whichever thread started it. A process forked from this one cannot use it, and
    does it no harm.

    Attributes:
        module: what it runs, see :mod:`rknn_zoo_e2e.isolation.__main__`.
        who: what it is called in errors.
        log_is: what its output is called there.
        litters: it writes files of its own into its working folder, so that must not be ours.

    Args:
        progress: told of every stage and how far it is.
        cancelled: once it is set, whatever is under way ends with an error.
        time_limit: seconds without progress after which a stage counts as hung.
    """

    module: ClassVar[str]
    who: ClassVar[str]
    log_is: ClassVar[str]
    litters: ClassVar[bool] = False

    def __init__(
        self,
        progress: Progress = silent,
        cancelled: Flag | None = None,
        time_limit: float = TIME_LIMIT,
    ) -> None:
        self.progress, self.time_limit = progress, time_limit
        self.cancelled: Flag = cancelled or threading.Event()
        self.stage, self.share, self.moved = "start", 0.0, time.monotonic()

    def __enter__(self) -> Any:
        if not HAS_LIFELINES:
            fix = "Use Linux, in a container or a virtual machine say; a bundle runs anywhere with --backend onnx."
            raise UserError(f"{self.who} runs on Linux only.", fix)
        self.progress(self.stage, 0.0)
        self.owner = os.getpid()
        with ExitStack() as stack:
            self.folder = stack.enter_context(work_folder())
            self.log_path = self.folder / "output.log"
            try:
                self._start(stack.enter_context(lifeline()))
            except OSError as error:  # no room for its log, no memory, too many processes or open files
                what = f"{self.who} cannot be started ({error.strerror})."
                raise UserError(what, "Close other programs, free some space in TMPDIR, and try again.") from error
            stack.callback(self._end)
            self.left = stack.pop_all()
        return self

    def _start(self, line: IO[bytes]) -> None:
        environment = {**os.environ, "TMPDIR": str(self.folder), "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}
        if os.path.expanduser("~") == "~":  # no home, as in some containers: Ultralytics cannot be imported there
            environment["HOME"] = str(self.folder)
        ours, theirs = socket.socketpair()
        ends = theirs.fileno(), line.fileno()
        with ours, theirs, line, self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rknn_zoo_e2e.isolation", self.module, *map(str, ends)],
                cwd=self.folder if self.litters else None,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=ends,
                start_new_session=True,  # Ctrl-C is ours to pass on, and all it starts can be killed with it
            )
            self.link, self.sender = Connection(ours.detach()), threading.Thread()

    def __exit__(self, *_: object) -> None:
        self.left.close()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def _end(self) -> None:
        if os.getpid() != self.owner:
            self.link.close()
            return
        self._kill()
        self.process.wait()
        with socket.socket(fileno=os.dup(self.link.fileno())) as end, contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)  # a sender still waiting for somebody to listen is let go
        if self.sender.is_alive():
            self.sender.join()
        self.link.close()

    @property
    def log(self) -> str:
        """What the worker printed so far."""
        return self.log_path.read_text(errors="replace")

    def call(self, verb: str, argument: object, stage: str = "") -> Any:
        """Has the worker do something and returns its answer.

        Args:
            stage: what it is at from now on, where it does not say so itself.

        Raises:
            UserError: it refuses, fails, dies, hangs, is cancelled, or belongs to the process this one was forked from.
        """
        if os.getpid() != self.owner:
            what = f"{self.who} belongs to process {self.owner}, which process {os.getpid()} was forked from."
            raise UserError(what, "Load the model in the process that is to use it.")
        self.stage, self.moved = stage or self.stage, time.monotonic()
        # In a thread: a worker that hangs does not take what is sent to it. Packed here, where an error is heard.
        packed = ForkingPickler.dumps((verb, argument, stage))
        self.sender = threading.Thread(target=self._send, args=(packed,), daemon=True)
        self.sender.start()
        try:
            while not isinstance(answer := self._receive(), Answer):
                self._enter(answer.name, answer.share)
        except (EOFError, ConnectionResetError):
            raise self._died() from None
        self.sender.join()
        return answer.value

    def _send(self, packed: memoryview) -> None:
        with contextlib.suppress(OSError):  # it died, which whoever waits for its answer sees as well
            self.link.send_bytes(packed)

    def _enter(self, stage: str, share: float) -> None:
        if (stage, share) != (self.stage, self.share):
            self.moved = time.monotonic()
        self.stage, self.share = stage, share
        self.progress(stage, share)

    def _receive(self) -> Answer | Stage:
        """The next stage or the answer. Raises EOFError or ConnectionResetError if it died, else :class:`UserError`."""
        while True:
            if self.cancelled.is_set():
                raise UserError("The build was cancelled.", "Run the same command again.")
            over = self.process.poll() is not None  # what it started may hold the socket open
            if self.link.poll(0 if over else POLL_SECONDS):
                break
            if over:
                raise EOFError
            self._look()
        message: Answer | Stage | Refused | Failed = self.link.recv()
        if isinstance(message, Refused):
            raise message.error
        if isinstance(message, Failed):
            raise self._failed(message)
        return message

    def _look(self) -> None:
        """While the worker says nothing."""
        limit = max(self.time_limit, START_LIMIT) if self.stage == "start" else self.time_limit
        if time.monotonic() - self.moved > limit:
            raise UserError(
                f"{self.who} was stopped: no progress in stage {self.stage!r} for {limit:.0f} s.",
                "Run the same command again, on a slow machine with a longer --time-limit (seconds).",
                self.log,
            )

    def _failed(self, failed: Failed) -> UserError:
        if full := self._full(failed.stage, failed.message):
            return full
        what = f"{self.who} failed in stage {failed.stage!r}: {failed.message}{self.last_words(failed.message)}."
        return UserError(what, f"See {self.log_is} with --debug.", self.log)

    def last_words(self, message: str) -> str:
        """What the log adds to a failure's message."""
        return ""

    def _died(self) -> UserError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)  # it may only have closed its end
        self._kill()
        code = self.process.wait()
        if full := self._full(self.stage, ""):
            return full
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        what = f"{self.who} died in stage {self.stage!r} with {name}"
        if code == -signal.SIGKILL:
            fix = "Close other programs, or try fewer --jobs or a smaller --imgsz, and run the same command again."
            return UserError(f"{what} (often: out of memory).", fix, self.log)
        return UserError(f"{what}.", f"Run the same command again; see {self.log_is} with --debug.", self.log)

    def _full(self, stage: str, message: str) -> UserError | None:
        """The error if it was for want of disk space that a stage failed."""
        log = self.log
        free = shutil.disk_usage(self.folder).free
        if free >= LEAST_SPACE and not any(words in message or words in log[-4096:] for words in DISK_FULL_MESSAGES):
            return None
        return UserError(f"No space left for work files in {self.folder.parent} (stage {stage!r}).", TMPDIR_ADVICE, log)
