"""ONNX Runtime on the fp32 graph: any machine."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from rknn_zoo_e2e.boards.install import install
from rknn_zoo_e2e.bundle.model import Bundle
from rknn_zoo_e2e.bundle.reader import check_file
from rknn_zoo_e2e.errors import UserError, first_line
from rknn_zoo_e2e.progress import Progress
from rknn_zoo_e2e.runtime.base import Prepared
from rknn_zoo_e2e.vision.arrays import Floats, Pixels

AGAIN = "Build it again with: e2erknn convert"


def prepare(bundle: Bundle, soc: str | None, precision: str | None, progress: Progress) -> Prepared:
    """A bundle's graph, which all its artifacts were built from. Raises :class:`UserError` where it has none such."""

    def open_graph(core: int | None) -> OnnxRuntime:
        progress("load", 0.0)
        return OnnxRuntime(check_file(bundle, bundle.onnx.name, bundle.onnx_sha256))

    return Prepared(bundle.artifact(soc, precision), open_graph)


class OnnxRuntime:
    """``model.onnx`` of a bundle."""

    backend = "onnx"

    def __init__(self, path: Path) -> None:
        if find_spec("onnxruntime") is None:
            raise UserError("onnxruntime is not installed.", f"Install it with: {install('onnx')}")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's exceptions share no base of their own
            raise UserError(f"{path} cannot be loaded ({first_line(error)}).", AGAIN) from error

    def infer(self, rgb: Pixels) -> list[Floats]:
        """A letterboxed picture (H, W, 3) uint8 RGB to the outputs, float32.

        Raises:
            UserError: ONNX Runtime failed.
        """
        x = rgb.transpose(2, 0, 1)[None].astype(np.float32) / 255
        try:
            outputs: list[Floats] = self.session.run(None, {"images": x})
            return outputs
        except Exception as error:
            raise UserError(f"ONNX Runtime failed ({first_line(error)}).", AGAIN) from error

    def close(self) -> None:
        """Lets go of the graph and its threads."""
        del self.session
