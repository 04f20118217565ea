"""The vendor's toolkit as a process that is asked to build and to simulate."""

from __future__ import annotations

import contextlib
import re
import sys
from importlib.util import find_spec
from pathlib import Path

from rknn_zoo_e2e.boards.install import remedy
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.isolation.parent import Isolated
from rknn_zoo_e2e.toolkit.buildlog import last_error, readable
from rknn_zoo_e2e.toolkit.job import BuildJob, Built
from rknn_zoo_e2e.toolkit.versions import check_version
from rknn_zoo_e2e.vision.arrays import Floats, Pixels

PERCENT = re.compile(rb"Quantizating\s*:\s*(\d+)%")


def require_toolkit(instead: str = "") -> None:
    """Refuses to go on without the toolkit.

    Args:
        instead: what does without it, to follow ", or"; "" where nothing does.

    Raises:
        UserError: rknn-toolkit2 is not installed, or one that was not tried.
    """
    if find_spec("rknn") is None:
        raise UserError(
            "rknn-toolkit2 is not installed here (Linux x86_64, Python 3.10 to 3.12 only).",
            f"{remedy('convert')}{f', or {instead}' if instead else ''}.",
        )
    check_version()


class Toolkit(Isolated):
    """A toolkit session: a build, then any number of pictures through the simulator."""

    module = "rknn_zoo_e2e.toolkit.worker"
    who = "The vendor toolkit"
    log_is = "the vendor's log"
    litters = True

    def __enter__(self) -> Toolkit:
        require_toolkit()
        super().__enter__()
        return self

    @property
    def log(self) -> str:
        """What the vendor printed so far, readable and without private paths."""
        places = [str(self.folder), str(Path(sys.prefix))]
        with contextlib.suppress(RuntimeError):  # a user without a home
            places.append(str(Path.home()))
        return readable(super().log, *places)

    def build(self, job: BuildJob) -> Built:
        """Runs a build; the simulator is ready afterwards."""
        built: Built = self.call("build", job)
        return built

    def infer(self, rgb: Pixels, stage: str = "infer") -> list[Floats]:
        """One letterboxed picture (H, W, 3) uint8 RGB through the simulator: its raw outputs, float32."""
        outputs: list[Floats] = self.call("infer", rgb, stage)
        return outputs

    def last_words(self, message: str) -> str:
        """The vendor's last line of error, where it only returned a code."""
        error = last_error(self.log) if "returned" in message else ""
        return f" ({error})" if error else ""

    def _look(self) -> None:
        """Calibration's progress is only in the vendor's own bar."""
        if self.stage == "calibrate":
            with self.log_path.open("rb") as log:
                log.seek(max(0, self.log_path.stat().st_size - 4096))
                if shares := PERCENT.findall(log.read()):
                    self._enter(self.stage, int(shares[-1]) / 100)
        super()._look()
