"""The parent's side of a toolkit worker: start it, follow it, and say plainly what became of it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

import numpy as np

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.toolkit.buildlog import readable
from rknn_zoo_e2e.toolkit.job import BuildJob, Built, Failed, Outputs, Stage
from rknn_zoo_e2e.toolkit.versions import check_version

STAGE_LIMIT = 3600.0  # seconds a single stage may take
PERCENT = re.compile(rb"Quantizating\s*:\s*(\d+)%")

OnStage = Callable[[str, float], None]  # stage name, share done (0..1)


class Flag(Protocol):
    """As much of a :class:`threading.Event` as is needed to be told to stop."""

    def is_set(self) -> bool: ...


def require_toolkit() -> None:
    """Raises :class:`UserError` where rknn-toolkit2 is not installed, or one that was not tried."""
    if find_spec("rknn") is None:
        raise UserError(
            "rknn-toolkit2 is not installed here (Linux x86_64, Python 3.10 to 3.12 only).",
            "Install it with: pip install 'rknn-zoo-e2e[convert]', or use --backend onnx.",
        )
    check_version()


class Toolkit:
    """A worker process in a private temporary folder, gone with everything it wrote when the ``with`` block ends.

    Args:
        on_stage: told of every stage and how far it is.
        cancelled: once it is set, whatever is under way ends with an error.
        stage_limit: seconds after which a stage counts as hung.
    """

    def __init__(
        self,
        on_stage: OnStage = lambda stage, share: None,
        cancelled: Flag | None = None,
        stage_limit: float = STAGE_LIMIT,
    ) -> None:
        require_toolkit()
        self.on_stage, self.stage_limit = on_stage, stage_limit
        self.cancelled: Flag = cancelled or threading.Event()
        self.stage = "start"

    def __enter__(self) -> Toolkit:
        self.folder = Path(tempfile.mkdtemp(prefix="e2erknn-"))
        self.log_path = self.folder / "vendor.log"
        ours, theirs = socket.socketpair()
        environment = {**os.environ, "TMPDIR": str(self.folder), "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}
        with self.log_path.open("wb") as log, theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rknn_zoo_e2e.toolkit.worker", str(theirs.fileno())],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is ours to pass on
            )
        self.link = Connection(ours.detach())
        return self

    def __exit__(self, *_: object) -> None:
        self.link.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def log(self) -> str:
        """What the vendor printed so far, readable and without private paths."""
        text = self.log_path.read_text(errors="replace")
        return readable(text, str(self.folder), str(Path(sys.prefix)), str(Path.home()))

    def build(self, job: BuildJob) -> Built:
        """Runs a build; the simulator is ready afterwards."""
        self._send("build", job)
        answer = self._receive()
        assert isinstance(answer, Built)
        return answer

    def infer(self, rgb: np.ndarray) -> list[np.ndarray]:
        """One letterboxed picture (H, W, 3) uint8 RGB through the simulator: its raw outputs, float32."""
        self._send("infer", rgb)
        answer = self._receive()
        assert isinstance(answer, Outputs)
        return answer.arrays

    def _send(self, verb: str, argument: object) -> None:
        try:
            self.link.send((verb, argument))
        except OSError:
            raise self._died() from None

    def _receive(self) -> object:
        """The next answer; stages are passed on, failures raised."""
        entered = time.monotonic()
        while True:
            try:
                if self.cancelled.is_set():
                    raise UserError("The build was cancelled.", "Run the same command again.")
                if not self.link.poll(0.2):
                    self._look_at_log()
                    if time.monotonic() - entered > self.stage_limit:
                        raise UserError(
                            f"The vendor toolkit was stopped after {self.stage_limit:.0f} s in stage {self.stage!r}.",
                            "Try fewer --calib-images or a smaller --imgsz.",
                            self.log,
                        )
                    continue
                answer = self.link.recv()
            except (EOFError, ConnectionResetError):
                raise self._died() from None
            if isinstance(answer, Failed):
                raise UserError(
                    f"The vendor toolkit failed in stage {answer.stage!r}: {answer.message}.",
                    "See the vendor's log with --debug.",
                    self.log,
                )
            if not isinstance(answer, Stage):
                return answer
            entered, self.stage = time.monotonic(), answer.name
            self.on_stage(self.stage, 0.0)

    def _look_at_log(self) -> None:
        """Calibration's progress is only in the vendor's own bar."""
        if self.stage == "calibrate":
            with self.log_path.open("rb") as log:
                log.seek(max(0, self.log_path.stat().st_size - 4096))
                if shares := PERCENT.findall(log.read()):
                    self.on_stage(self.stage, int(shares[-1]) / 100)

    def _died(self) -> UserError:
        code = self.process.wait()
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        why = " (often: out of memory)" if code == -signal.SIGKILL else ""
        return UserError(
            f"The vendor toolkit died in stage {self.stage!r} with {name}{why}.",
            "Run the same command again; see the vendor's log with --debug.",
            self.log,
        )
