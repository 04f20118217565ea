"""A build as the vendor's own examples make it, in a child process: the vendor's package may take its process along.

This project's builds go through `rknn_zoo_e2e.toolkit`; this is what they are measured against.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.isolation.worker import in_words
from rknn_zoo_e2e.toolkit.buildlog import readable
from rknn_zoo_e2e.toolkit.job import BuildJob
from rknn_zoo_e2e.toolkit.worker import check
from rknn_zoo_e2e.vision.arrays import Array, Floats, Pixels


class PlainBuild:
    """``rknn.build(do_quantization=True, dataset=...)`` and the simulator after it; use it in a ``with`` block.

    Attributes:
        seconds: of loading (the toolkit itself too) and of building with the calibration.
    """

    def __init__(self, job: BuildJob) -> None:
        """``job.hybrid`` leaves INT8 by the toolkit's two steps; without it the build is one call.

        Raises:
            UserError: the toolkit failed or died; the detail is its log.
        """
        self.folder = tempfile.TemporaryDirectory(prefix="e2erknn-")
        self.pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _enter, (self.folder.name,))
        try:
            self.seconds: dict[str, float] = self._call(_build, job)
        except BaseException:
            self.close()
            raise

    @property
    def log(self) -> str:
        """What the vendor printed so far."""
        return readable((Path(self.folder.name) / LOG).read_text(errors="replace"))

    def infer(self, rgb: Pixels) -> list[Floats]:
        """One letterboxed picture (H, W, 3) uint8 RGB through the simulator: its raw outputs, float32."""
        outputs: list[Floats] = self._call(_infer, rgb)
        return outputs

    def close(self) -> None:
        self.pool.shutdown(cancel_futures=True)
        self.folder.cleanup()

    def __enter__(self) -> PlainBuild:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, function: Any, argument: Any) -> Any:
        try:
            return self.pool.submit(function, argument).result()
        except BrokenProcessPool:
            what = "The vendor toolkit died."
        except (Exception, SystemExit) as error:  # whatever the vendor throws
            what = f"The vendor toolkit failed: {in_words(error)}."
        raise UserError(what, "See its log with --debug.", self.log)


# What follows runs in the child.

LOG = "vendor.log"
_rknn: Any = None


def _enter(folder: str) -> None:
    """The child works in ``folder`` and prints into a file there, what the compiled library prints too."""
    os.chdir(folder)
    os.environ["TMPDIR"] = folder
    log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)


def _build(job: BuildJob) -> dict[str, float]:
    global _rknn
    clock = [time.monotonic()]
    from rknn.api import RKNN

    _rknn = rknn = RKNN(verbose=True)
    rknn.config(mean_values=[[0, 0, 0]], std_values=[[255, 255, 255]], target_platform=job.soc)
    check(rknn.load_onnx(str(job.onnx)), "load_onnx")
    clock.append(time.monotonic())
    Path("dataset.txt").write_text("\n".join(map(str, job.pictures)) + "\n")
    if job.hybrid:
        pairs, stem = [list(pair) for pair in job.hybrid], job.onnx.stem
        check(rknn.hybrid_quantization_step1("dataset.txt", custom_hybrid=pairs), "hybrid_quantization_step1")
        files = (f"{stem}.model", f"{stem}.data", f"{stem}.quantization.cfg")
        check(rknn.hybrid_quantization_step2(*files), "hybrid_quantization_step2")
    else:
        check(rknn.build(do_quantization=True, dataset="dataset.txt"), "build")
    clock.append(time.monotonic())
    check(rknn.init_runtime(), "init_runtime")
    ctypes.CDLL(None).fflush(None)  # the compiler's table sits in the C library's buffer
    sys.stdout.flush()
    return {"load": round(clock[1] - clock[0], 2), "build": round(clock[2] - clock[1], 2)}


def _infer(rgb: Pixels) -> list[Array]:
    outputs = _rknn.inference([rgb[None]], data_format="nhwc")
    if outputs is None:
        raise RuntimeError("inference returned nothing")
    return [np.asarray(output, np.float32) for output in outputs]
