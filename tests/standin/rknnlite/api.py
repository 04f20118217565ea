"""``RKNNLite`` as rknn-toolkit-lite2 2.3.2 has it, answered by the vendor's simulator or by recorded tensors.

The simulator cannot load a ``.rknn``, so the model is built again from the bundle its file lies in. What goes wrong is
told as the vendor tells it: -1 or None, and a line on standard error. What the stand-in does not stand in for raises
``NotImplementedError``, so that a test cannot pass by it unnoticed.

Environment:
    RKNNLITE_STANDIN_SOC: the SoC this "board" has; without it, whichever a model was built for.
    RKNNLITE_STANDIN_TENSORS: a .npz to answer from instead of the simulator, see :class:`Recorded`.
    RKNNLITE_STANDIN_DELAY: milliseconds a call takes at least; as on a board, other threads run meanwhile.
    RKNNLITE_STANDIN_FAIL: "load", "init", or "inference:N" for the Nth call of each context, counted from 1.
"""

from __future__ import annotations

import os
import sys
import time
import weakref
import zlib
from collections import OrderedDict
from pathlib import Path

import numpy as np

from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.checksum import sha256

SOC, TENSORS, DELAY, FAIL = (f"RKNNLITE_STANDIN_{name}" for name in ("SOC", "TENSORS", "DELAY", "FAIL"))
CORES = {"rk3576": (1, 2), "rk3588": (1, 2, 4)}  # core masks of the SoCs that take any, by core
ALIKE = (("rk3566", "rk3568"),)  # SoCs that run each other's files (rknnlite/config/cpu_npu_mapper.yml: npu_model)


def runs_on(soc: str) -> list[str]:
    """SoCs that run a file built for ``soc``."""
    return list(next((group for group in ALIKE if soc in group), (soc,)))


def find_model(path: Path) -> tuple[Bundle, Artifact]:
    """The bundle a ``.rknn`` lies in, and its entry there.

    Raises:
        NotImplementedError: it lies in no bundle, so nothing here can answer for it.
    """
    try:
        bundle = read_bundle(path.parent)
        return bundle, next(a for a in bundle.artifacts if a.file == path.name)
    except (UserError, StopIteration) as error:
        raise NotImplementedError(f"the stand-in answers for files of a bundle only, not for {path}") from error


class Recorded:
    """Recorded tensors: ``{key}-{number}`` is an output for the input with that CRC-32 (8 hex digits), ``any-{number}``
    for every other input."""

    def __init__(self, path: str) -> None:
        with np.load(path) as stored:
            self.outputs = dict(stored)

    def infer(self, rgb: np.ndarray) -> list[np.ndarray]:
        key = f"{zlib.crc32(rgb.tobytes()):08x}"
        key = key if f"{key}-0" in self.outputs else "any"
        count = sum(name.startswith(f"{key}-") for name in self.outputs)
        return [self.outputs[f"{key}-{number}"].copy() for number in range(count)]

    def close(self) -> None:
        pass


def simulator(bundle: Bundle, artifact: Artifact):
    from rknn_zoo_e2e.runtime.simulator import SimulatorRuntime

    return SimulatorRuntime(bundle, artifact)


class RKNNLite:
    """One model on the "NPU".

    Attributes:
        core_mask: what :meth:`init_runtime` was told, None before; a simulator has no cores.
    """

    NPU_CORE_AUTO = 0
    NPU_CORE_0 = 1
    NPU_CORE_1 = 2
    NPU_CORE_2 = 4
    NPU_CORE_0_1 = 3
    NPU_CORE_0_1_2 = 7
    NPU_CORE_ALL = 0xFFFF

    def __init__(self, verbose: bool = False, verbose_file: str | None = None) -> None:
        self.path: Path | None = None
        self.core_mask: int | None = None
        self._imgsz = (0, 0)
        self._runtime: Recorded | None = None  # or the simulator
        self._calls = 0
        self._closer: weakref.finalize | None = None

    def load_rknn(self, path: str) -> int:
        """Takes a ``.rknn``; it is not looked into yet. Returns 0, or -1 where it is missing."""
        if not os.path.exists(path):
            return self._failed(f"Invalid RKNN model path: {path or None}")
        if os.environ.get(FAIL) == "load":
            return self._failed("Load RKNN model failed!")
        self.path = Path(path)
        return 0

    def init_runtime(
        self,
        target: str | None = None,
        device_id: str | None = None,
        async_mode: bool = False,
        core_mask: int = NPU_CORE_AUTO,
    ) -> int:
        """Starts the simulator, in seconds.

        Returns:
            0, or -1: nothing loaded, a damaged file, a file for another SoC, cores that do not exist.
        """
        if target is not None or device_id is not None or async_mode:
            raise NotImplementedError("the stand-in runs in this machine, one picture after the other")
        if self.path is None:
            return self._failed("Model is not loaded yet, this interface should be called after load_rknn!")
        self.release()
        bundle, artifact = find_model(self.path)
        if sha256(self.path) != artifact.sha256:
            return self._failed("RKNN_ERR_MODEL_INVALID")
        soc = os.environ.get(SOC, artifact.soc)
        if soc not in runs_on(artifact.soc):
            return self._failed(f"RKNN_ERR_TARGET_PLATFORM_UNMATCH: built for {artifact.soc}, this is {soc}")
        if core_mask not in {value for name, value in vars(RKNNLite).items() if name.startswith("NPU_CORE_")}:
            return self._failed(f"The core mode {core_mask} is not supported currently.")
        if core_mask != self.NPU_CORE_AUTO:
            possible = CORES.get(soc, ())
            if not possible or (core_mask & ~sum(possible) and core_mask != self.NPU_CORE_ALL):
                return self._failed(f"core_mask is not supported on {soc}, do not set it.")
        if os.environ.get(FAIL) == "init":
            return self._failed("RKNN init failed. error code: RKNN_ERR_DEVICE_UNAVAILABLE")
        self.core_mask, self._imgsz = core_mask, bundle.spec.imgsz
        recorded = os.environ.get(TENSORS)
        self._runtime = Recorded(recorded) if recorded else simulator(bundle, artifact)
        # The vendor's runtime goes with its object; callers such as Ultralytics never release it.
        self._closer = weakref.finalize(self, self._runtime.close)
        return 0

    def inference(
        self,
        inputs: list[np.ndarray],
        data_type: str | None = None,
        data_format: str | None = None,
        inputs_pass_through: list[int] | None = None,
        get_frame_id: bool = False,
    ) -> list[np.ndarray] | None:
        """One picture through the model.

        Args:
            inputs: one array of H * W * 3 bytes, uint8 RGB, (1, H, W, 3) or (H, W, 3), letterboxed.

        Returns:
            The outputs, float32, the caller's own to write to; None before :meth:`init_runtime` or for a wrong input.
        """
        plain = data_type in (None, "uint8") and data_format in (None, "nhwc") and not get_frame_id
        if not plain or any(inputs_pass_through or ()):
            raise NotImplementedError("the stand-in takes uint8 pictures, NHWC, to be normalised by the model")
        if self._runtime is None:
            self._failed("Runtime environment is not inited, please call init_runtime to init it first!")
            return None
        if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], np.ndarray):
            self._failed("Inputs should be placed in a list, like [img1, img2], both the img1 and img2 are ndarray.")
            return None
        if inputs[0].dtype != np.uint8:
            raise NotImplementedError(f"the stand-in takes uint8 pictures, not {inputs[0].dtype}")
        shape = (*self._imgsz, 3)
        if inputs[0].size != np.prod(shape):
            self._failed("Size of inputs[0] is invalid!")
            return None
        self._calls += 1
        if os.environ.get(FAIL) == f"inference:{self._calls}":
            self._failed("RKNN inference failed. error code: RKNN_ERR_TIMEOUT")
            return None
        time.sleep(float(os.environ.get(DELAY, 0)) / 1000)
        return self._runtime.infer(inputs[0].reshape(shape))

    def get_sdk_version(self) -> str | None:
        """What would be the versions of librknnrt and the driver; None before :meth:`init_runtime`."""
        if self._runtime is None:
            self._failed("Runtime environment is not inited, please call init_runtime to init it first!")
            return None
        line = "=" * 46
        return f"\n{line}\nRKNN VERSION:\n  API: 2.3.2 (stand-in)\n  DRV: 0.9.8\n{line}\n"

    def list_support_target_platform(self, rknn_model: str | None = None) -> OrderedDict[str, list[str]] | None:
        """Platforms a file runs on and the one it was built for; None where it is missing."""
        if rknn_model is None:
            raise NotImplementedError("the stand-in knows the platforms of one model only")
        if not os.path.exists(rknn_model):
            self._failed(f"The model {rknn_model} does not exist.")
            return None
        soc = find_model(Path(rknn_model))[1].soc
        supported = [name.upper() for name in runs_on(soc)]
        return OrderedDict(support_target_platform=supported, filled_target_platform=[soc])

    def list_devices(self) -> tuple[list[str], list[str]]:
        """Devices over USB: none."""
        return [], []

    def release(self) -> None:
        """Ends the simulator. May be called twice."""
        if self._closer is not None:
            self._closer()
        self._runtime = self._closer = None

    @staticmethod
    def _failed(message: str) -> int:
        print(f"E {message}", file=sys.stderr)
        return -1
