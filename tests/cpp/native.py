"""The C++ library through its C ABI, and outputs as an NPU keeps them."""

from __future__ import annotations

import ctypes as c
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rknn_zoo_e2e.conversion.custom_string import custom_string
from rknn_zoo_e2e.tasks.base import Thresholds
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.vision.tensors import Quantized, Raw

# What runs programs of another processor, such as an emulator; then there is no C ABI to call from here.
RUNNER = os.environ.get("E2ERKNN_CPP_RUNNER", "").split()
# The vendor's library is linked in (RV), not looked for.
STATIC = bool(os.environ.get("E2ERKNN_CPP_STATIC"))
STANDARD = Thresholds()
TYPES = {"float32": 0, "float16": 1, "int8": 2, "uint8": 3, "int16": 4}


class Tensor(c.Structure):
    _fields_ = [
        ("data", c.c_void_p), ("bytes", c.c_size_t), ("type", c.c_int32), ("channels", c.c_int32),
        ("height", c.c_int32), ("width", c.c_int32), ("block", c.c_int32), ("scale", c.c_float), ("zero", c.c_int32),
    ]  # fmt: skip


class CThresholds(c.Structure):
    _fields_ = [
        ("conf", c.c_float), ("iou", c.c_double), ("max_det", c.c_int32), ("class_count", c.c_int32),
        ("classes", c.POINTER(c.c_int32)),
    ]  # fmt: skip


class Picture(c.Structure):
    _fields_ = [("rgb", c.c_void_p), ("width", c.c_int32), ("height", c.c_int32), ("stride", c.c_size_t)]


class CMask(c.Structure):
    _fields_ = [
        ("left", c.c_int32), ("top", c.c_int32), ("width", c.c_int32), ("height", c.c_int32),
        ("inside", c.POINTER(c.c_uint8)),
    ]  # fmt: skip


class CDetection(c.Structure):
    _fields_ = [
        ("box", c.c_float * 4), ("score", c.c_float), ("class_id", c.c_int32), ("anchor", c.c_int32),
        ("obb", c.c_float * 5), ("keypoints", c.POINTER(c.c_float)), ("mask", CMask),
    ]  # fmt: skip


class CResult(c.Structure):
    _fields_ = [
        ("count", c.c_int32), ("points", c.c_int32), ("detections", c.POINTER(CDetection)),
        ("pre", c.c_double), ("infer", c.c_double), ("post", c.c_double),
    ]  # fmt: skip


class NativeError(Exception):
    """The two sentences of a failed call, and its code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.what, self.fix = text.split("\n")


@dataclass
class Found:
    """Detections as arrays, as a Result of Python has them."""

    boxes: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray
    keypoints: np.ndarray
    obb: np.ndarray
    masks: list[tuple[int, int, np.ndarray]]


class Library:
    def __init__(self, path: Path) -> None:
        self.c = c.CDLL(str(path))
        self.c.e2erknn_error.restype = self.c.e2erknn_version.restype = self.c.e2erknn_spec.restype = c.c_char_p
        self.c.e2erknn_spec.argtypes = self.c.e2erknn_close.argtypes = [c.c_void_p]
        self.c.e2erknn_free.argtypes = [c.POINTER(CResult)]

    def check(self, code: int) -> None:
        if code:
            raise NativeError(code, self.c.e2erknn_error().decode())

    def decode(
        self, spec: str, outputs: list[Tensor], source: tuple[int, int], thresholds: Thresholds = STANDARD
    ) -> Found:
        """source: (height, width) px."""
        array, result = (Tensor * len(outputs))(*outputs), c.POINTER(CResult)()
        self.check(
            self.c.e2erknn_decode(
                spec.encode(), array, len(outputs), source[1], source[0], c.byref(limits(thresholds)), c.byref(result)
            )
        )
        try:
            return found_in(result.contents)
        finally:
            self.c.e2erknn_free(result)

    def prepared(self, spec: str, outputs: list[Tensor], source: tuple[int, int]) -> Callable[[], None]:
        """A decode to be timed: nothing but the call, its result thrown away."""
        array, result, facts = (Tensor * len(outputs))(*outputs), c.POINTER(CResult)(), spec.encode()
        given = c.byref(limits(STANDARD))

        def call() -> None:
            self.c.e2erknn_decode(facts, array, len(outputs), source[1], source[0], given, c.byref(result))
            self.c.e2erknn_free(result)

        return call

    def letterbox(self, rgb: np.ndarray, imgsz: tuple[int, int]) -> np.ndarray:
        out = np.empty((*imgsz, 3), np.uint8)
        self.check(self.c.e2erknn_letterbox(c.byref(picture(rgb)), imgsz[1], imgsz[0], c.c_void_p(out.ctypes.data)))
        return out


def limits(thresholds: Thresholds) -> CThresholds:
    ids = thresholds.classes or ()
    return CThresholds(
        thresholds.conf, thresholds.iou, thresholds.max_det, len(ids), (c.c_int32 * len(ids))(*map(int, ids))
    )


def picture(rgb: np.ndarray) -> Picture:
    assert rgb.strides[1:] == (3, 1)
    return Picture(rgb.ctypes.data, rgb.shape[1], rgb.shape[0], rgb.strides[0])


def found_in(result: CResult) -> Found:
    rows = [result.detections[i] for i in range(result.count)]
    points = [np.ctypeslib.as_array(r.keypoints, (result.points, 3)).copy() for r in rows if result.points]
    masks = [
        (r.mask.left, r.mask.top, np.ctypeslib.as_array(r.mask.inside, (r.mask.height, r.mask.width)).astype(bool))
        for r in rows
        if r.mask.width
    ]
    return Found(
        np.array([list(r.box) for r in rows], np.float32).reshape(-1, 4),
        np.array([r.score for r in rows], np.float32),
        np.array([r.class_id for r in rows], np.int64),
        np.array(points, np.float32),
        np.array([list(r.obb) for r in rows], np.float32).reshape(-1, 5),
        masks,
    )


def essentials(spec: ModelSpec, layout: str = "grid") -> str:
    """The custom string of a ``.rknn`` for rk3588."""
    return custom_string(spec, "rk3588", layout)[0]


def stored(real: np.ndarray, kind: str, scale: float = 1.0, zero: int = 0) -> Raw:
    """Real numbers as a runtime would hand them over: float32, float16 or an integer type."""
    if kind.startswith("float"):
        return real.astype(kind)
    limits = np.iinfo(kind)
    values = np.clip(np.round(real / scale) + zero, limits.min, limits.max).astype(kind)
    return Quantized(values, float(np.float32(scale)), zero)


def blocked(values: np.ndarray, block: int) -> np.ndarray:
    """(1, C, ...) to (ceil(C / block), cells, block), the last block filled with values that must not matter."""
    channels = values.shape[1]
    cells = values.reshape(channels, -1)
    filled = -(-channels // block) * block
    worst = np.nan if values.dtype.kind == "f" else np.iinfo(values.dtype).max
    padded = np.full((filled, cells.shape[1]), worst, values.dtype)
    padded[:channels] = cells
    return np.ascontiguousarray(padded.reshape(-1, block, cells.shape[1]).transpose(0, 2, 1))


def as_npu(output: Raw, block: int) -> tuple[Tensor, np.ndarray]:
    """An output (1, C, A) or (1, C, H, W) as the NPU keeps it, and the array that holds it."""
    values = output.values if isinstance(output, Quantized) else output
    scale, zero = (output.scale, output.zero_point) if isinstance(output, Quantized) else (1.0, 0)
    held = blocked(values, block) if block > 1 else np.ascontiguousarray(values)
    height, width = values.shape[2:] if values.ndim == 4 else (1, values.shape[2])
    kind = TYPES[str(values.dtype)]
    return Tensor(held.ctypes.data, held.nbytes, kind, values.shape[1], height, width, block, scale, zero), held
