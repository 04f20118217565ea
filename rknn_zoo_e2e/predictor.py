"""Loading any MODEL for inference: ``load(model)(image) -> Result``."""

from __future__ import annotations

import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from rknn_zoo_e2e.bundle import SUFFIX, Artifact, Bundle, check_file, is_bundle, newest, read_bundle
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.result import Result
from rknn_zoo_e2e.runtime import BACKENDS, Runtime
from rknn_zoo_e2e.spec import ModelSpec
from rknn_zoo_e2e.tasks import task_of
from rknn_zoo_e2e.tasks.base import Thresholds
from rknn_zoo_e2e.toolkit.client import OnStage
from rknn_zoo_e2e.vision.image import read_image
from rknn_zoo_e2e.vision.letterbox import Letterbox
from rknn_zoo_e2e.zoo import resolve

FALLBACK = "yolov8n"


class Predictor:
    """A loaded model. Call it with a picture; close it, or use it in a ``with`` block, to let its process go.

    Attributes:
        spec: what the model is.
        runtime: what runs it.
        thresholds: post-processing arguments.
        artifact: of the bundle it came from, None for a checkpoint.
    """

    def __init__(
        self, spec: ModelSpec, runtime: Runtime, thresholds: Thresholds, artifact: Artifact | None = None
    ) -> None:
        self.spec, self.runtime, self.thresholds, self.artifact = spec, runtime, thresholds, artifact
        self.task = task_of(spec)

    def __call__(self, image: np.ndarray | str | Path) -> Result:
        """Detections in a picture.

        Args:
            image: (h, w, 3) uint8 RGB, or a file.

        Raises:
            UserError: the file is not a readable picture, or the runtime failed.
        """
        if not isinstance(image, np.ndarray):
            image = read_image(Path(image))
        clock = [time.perf_counter()]
        letterbox = Letterbox.of(image, self.spec.imgsz)
        rgb = letterbox.apply(image)
        clock.append(time.perf_counter())
        outputs = self.runtime.infer(rgb)
        clock.append(time.perf_counter())
        if not all(np.isfinite(output).all() for output in outputs):
            raise UserError(
                f"The {self.runtime.backend} gave values that are not numbers.",
                "Verify the model with: e2erknn inspect; try --precision fp16.",
            )
        result = self.task.decode(outputs, letterbox, self.thresholds)
        clock.append(time.perf_counter())
        result.ms = {
            name: (end - start) * 1000
            for name, start, end in zip(("pre", "infer", "post"), clock, clock[1:], strict=False)
        }
        return result

    def close(self) -> None:
        self.runtime.close()

    def __enter__(self) -> Predictor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def find_bundle(model: str | None) -> Path | None:
    """The bundle a MODEL argument means, None where it means a checkpoint.

    A bundle's own path; without an argument the newest in the working folder; for a zoo name one made from it there.
    """
    if model is None:
        return newest(Path())
    path = Path(model)
    if is_bundle(path):
        return path
    if path.is_dir():
        read_bundle(path)  # raises: a folder can only be meant as a bundle
    beside = Path(f"{model}{SUFFIX}")
    return beside if not path.suffix and is_bundle(beside) else None


def load(
    model: str | Path | None = None,
    backend: str = "auto",
    soc: str | None = None,
    precision: str | None = None,
    imgsz: tuple[int, int] | None = None,
    thresholds: Thresholds | None = None,
    on_stage: OnStage = lambda stage, share: None,
) -> Predictor:
    """Loads a model for inference.

    Args:
        model: bundle folder, zoo name or ``.pt`` file; by default the newest bundle here, else yolov8n.
        backend: "simulator", "onnx", "torch", or "auto" for the first of them that can run it here.
        soc, precision: which artifact of a bundle, the first one by default.
        imgsz: input (height, width) in px for torch; a bundle has its own.
        thresholds: post-processing arguments, Ultralytics' defaults if None.
        on_stage: told of the stages of loading.

    Raises:
        UserError: no such model, or the backend cannot run it here.
    """
    name = None if model is None else str(model)
    if backend not in BACKENDS:
        raise UsageError(f"{backend!r} is not a backend.", f"Choose one of: {', '.join(BACKENDS)}.")
    thresholds = thresholds or Thresholds()
    folder = find_bundle(name)
    if folder is None or backend == "torch":
        return _load_checkpoint(name, folder, backend, imgsz, thresholds, on_stage)
    bundle = read_bundle(folder)
    artifact = bundle.artifact(soc.lower() if soc else None, precision)
    if backend == "auto":
        backend = "simulator" if find_spec("rknn") else "onnx"
    return Predictor(bundle.spec, _open(bundle, artifact, backend, on_stage), thresholds, artifact)


def _open(bundle: Bundle, artifact: Artifact, backend: str, on_stage: OnStage) -> Runtime:
    if backend == "simulator":
        from rknn_zoo_e2e.runtime.simulator import SimulatorRuntime

        return SimulatorRuntime(bundle, artifact, on_stage)
    from rknn_zoo_e2e.runtime.onnx import OnnxRuntime

    on_stage("load", 0.0)
    return OnnxRuntime(check_file(bundle, bundle.onnx.name, bundle.onnx_sha256))


def _load_checkpoint(
    name: str | None,
    folder: Path | None,
    backend: str,
    imgsz: tuple[int, int] | None,
    thresholds: Thresholds,
    on_stage: OnStage,
) -> Predictor:
    from rknn_zoo_e2e.runtime.torch import TorchRuntime

    if backend not in ("auto", "torch"):
        raise UserError(
            f"{name or FALLBACK} is a checkpoint, and backend {backend!r} runs bundles.",
            f"Convert it first with: e2erknn convert {name or FALLBACK} --soc rk3566",
        )
    on_stage("load", 0.0)
    # A bundle holds no checkpoint: its model's, if the zoo or this folder has it, stands in.
    runtime = TorchRuntime(resolve(read_bundle(folder).spec.name if folder else name or FALLBACK), imgsz)
    return Predictor(runtime.spec, runtime, thresholds)
