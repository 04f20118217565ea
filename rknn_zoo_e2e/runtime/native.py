"""The NPU of this board through the project's own C++ library (``cpp/``), for boards without rknn-toolkit-lite2.

The library runs the model; letterbox and decode are the package's own, as for every other backend. So the detections
are the very same: the library's own letterbox differs from OpenCV's by a level here and there, and its decode sums in
another order.
"""

from __future__ import annotations

import ctypes as c
from functools import cache, partial
from typing import Any

import numpy as np

from rknn_zoo_e2e.boards import probe
from rknn_zoo_e2e.boards.native import open_library
from rknn_zoo_e2e.boards.soc import SOCS
from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.bundle.reader import check_file
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.progress import Progress
from rknn_zoo_e2e.runtime.base import Prepared
from rknn_zoo_e2e.runtime.board import artifact_for
from rknn_zoo_e2e.vision.arrays import Floats, Pixels

ANY_CORE = -1


class Input(c.Structure):
    """``e2erknn_input``."""

    _fields_ = (
        ("rgb", c.c_void_p),
        ("width", c.c_int32),
        ("height", c.c_int32),
        ("stride", c.c_size_t),
        ("fd", c.c_int32),
    )


class Tensor(c.Structure):
    """``e2erknn_tensor``."""

    _fields_ = (
        ("data", c.c_void_p),
        ("bytes", c.c_size_t),
        ("type", c.c_int32),
        ("channels", c.c_int32),
        ("height", c.c_int32),
        ("width", c.c_int32),
        ("block", c.c_int32),
        ("scale", c.c_float),
        ("zero", c.c_int32),
    )


@cache
def library() -> c.CDLL:
    """The library with the types of its calls (``cpp/include/e2erknn/e2erknn.h``).

    Raises:
        UserError: there is none that fits.
    """
    found = open_library()
    found.e2erknn_open.argtypes = [c.c_char_p, c.c_int, c.POINTER(c.c_void_p)]
    found.e2erknn_close.argtypes = [c.c_void_p]
    found.e2erknn_close.restype = None
    found.e2erknn_input_of.argtypes = [c.c_void_p]
    found.e2erknn_input_of.restype = Input
    found.e2erknn_run.argtypes = [c.c_void_p]
    found.e2erknn_outputs.argtypes = [c.c_void_p, c.POINTER(c.c_int32)]
    found.e2erknn_outputs.restype = c.POINTER(Tensor)
    found.e2erknn_read.argtypes = [c.c_void_p, c.c_int32, c.c_void_p]
    found.e2erknn_error.restype = c.c_char_p
    return found


def check(code: int) -> None:
    """Raises what the library says of a call that failed, a :class:`UserError`."""
    if code:
        what, _, fix = library().e2erknn_error().decode("utf-8", "replace").partition("\n")
        raise UserError(what, fix)


def prepare(bundle: Bundle, soc: str | None, precision: str | None, progress: Progress) -> Prepared:
    """The artifact for this board's NPU; where nothing tells which board this is, the one asked for.

    Raises:
        UserError: there is no library that fits, or nothing in the bundle for the NPU.
    """
    progress("load", 0.0)
    library()
    board = probe.board_soc()
    artifact = artifact_for(bundle, board, soc, precision) if board else bundle.artifact(soc, precision)
    return Prepared(artifact, partial(NativeRuntime, bundle, artifact), SOCS[board or artifact.soc].cores)


class NativeRuntime:
    """One context of an artifact on the NPU. A call gives the processor free until the NPU is done.

    Args:
        core: the core it is to run on; None leaves it to the driver, and is all that an NPU of one core takes.

    Raises:
        UserError: a damaged file, a runtime that does not take it, or no NPU.
    """

    backend = "native"

    def __init__(self, bundle: Bundle, artifact: Artifact, core: int | None = None) -> None:
        path, model = check_file(bundle, artifact.file, artifact.sha256), c.c_void_p()
        check(library().e2erknn_open(bytes(path), ANY_CORE if core is None else core, c.byref(model)))
        self._model = model
        given, count = library().e2erknn_input_of(model), c.c_int32()
        if (given.height, given.width) != bundle.spec.imgsz:
            self.close()
            raise UserError(
                f"{path} takes {given.height}x{given.width} px, not {'x'.join(map(str, bundle.spec.imgsz))}.",
                "The bundle's metadata.yaml is not its model's: copy it again, or build it with: e2erknn convert",
            )
        memory: Any = (c.c_uint8 * (given.height * given.stride)).from_address(given.rgb)
        self._input: Pixels = np.ndarray((*bundle.spec.imgsz, 3), np.uint8, memory, strides=(given.stride, 3, 1))
        tensors = library().e2erknn_outputs(model, c.byref(count))
        self._shapes = [shape(tensors[index]) for index in range(count.value)]

    def infer(self, rgb: Pixels) -> list[Floats]:
        """A letterboxed picture (H, W, 3) uint8 RGB to the outputs, float32.

        Raises:
            UserError: the NPU failed.
        """
        self._input[:] = rgb
        check(library().e2erknn_run(self._model))
        outputs: list[Floats] = [np.empty(shape, np.float32) for shape in self._shapes]
        for index, output in enumerate(outputs):
            check(library().e2erknn_read(self._model, index, output.ctypes.data))
        return outputs

    def close(self) -> None:
        """Gives the NPU's context and memory back."""
        library().e2erknn_close(self._model)
        self._model = c.c_void_p()


def shape(tensor: Tensor) -> tuple[int, ...]:
    """(1, C, A) of a flat output, which has height 1, else (1, C, H, W)."""
    cells = (tensor.width,) if tensor.height == 1 else (tensor.height, tensor.width)
    return (1, tensor.channels, *cells)
