"""Loading any MODEL for inference: ``load(model)(image) -> Result``."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rknn_zoo_e2e.bundle.model import SUFFIX
from rknn_zoo_e2e.bundle.reader import is_bundle, newest, read_bundle
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.paths import expanded
from rknn_zoo_e2e.progress import Progress, silent
from rknn_zoo_e2e.runtime.options import LoadOptions, count
from rknn_zoo_e2e.runtime.pool import Pool
from rknn_zoo_e2e.runtime.predictor import Predictor
from rknn_zoo_e2e.runtime.registry import BACKENDS, chosen
from rknn_zoo_e2e.tasks.base import Thresholds
from rknn_zoo_e2e.zoo import find_card, resolve, same_weights

FALLBACK = "yolov8n"


def find_bundle(
    model: str | None,
    soc: str | None = None,
    precision: str | None = None,
    progress: Progress = silent,
    backend: str = "auto",
) -> Path | None:
    """The bundle a MODEL argument means, None where it means a checkpoint.

    A bundle's own path; without an argument the newest in the working folder; for a zoo name one made from it there; of
    a repo (``hf:owner/name[@revision]``) what the SoC and the backend need, fetched once and then from the client's
    cache.
    """
    if model is None:
        return newest(Path())
    if model.startswith("hf:"):
        from rknn_zoo_e2e.hub.pull import fetch, parse

        whole = backend in BACKENDS and BACKENDS[backend].needs_graph
        return fetch(*parse(model), soc, precision, progress, whole).path
    path = Path(expanded(model))
    if is_bundle(path):
        return path
    if path.is_dir():
        read_bundle(path)  # raises: a folder can only be meant as a bundle
    card = find_card(model)
    beside = Path(f"{card.name if card else model}{SUFFIX}")
    return beside if not path.suffix and is_bundle(beside) else None


def load(
    model: str | os.PathLike[str] | None = None,
    backend: str = "auto",
    soc: str | None = None,
    precision: str | None = None,
    imgsz: int | str | Sequence[int] | None = None,
    thresholds: Thresholds | None = None,
    cores: int | str = 1,
    on_stage: Callable[[str, float], None] = silent,
    trusted: bool = False,
) -> Predictor:
    """Loads a model for inference; of all words case and blanks do not matter.

    Args:
        model: bundle folder, ``hf:owner/name``, zoo name or ``.pt`` file; by default the newest bundle here, else
            yolov8n.
        backend: "board", "native", "simulator", "onnx", "torch", or "auto": on a board its NPU, by rknn-toolkit-lite2
            or else the C++ library, on a PC the simulator if it is installed, else ONNX.
        soc, precision: which artifact of a bundle; by default the first, on a board the first that runs there.
        imgsz: input side or (height, width) in px for torch, by default the bundle's, else the training size.
        thresholds: post-processing arguments, Ultralytics' defaults if None.
        cores: NPU cores to run on side by side, or "all"; elsewhere so many copies of the runtime ("all" is one).
        on_stage: told of the stages of loading.
        trusted: whether code in a ``.pt`` may run.

    Raises:
        UsageError: an argument means nothing.
        UserError: no such model, or the backend cannot run it here.

    Example:
        >>> from rknn_zoo_e2e import load
        >>> with load("shapes_rknn_model", backend="onnx") as predictor:
        ...     result = predictor("sample.jpg")
        >>> result.label(0)
        'triangle'
    """
    return open_model(LoadOptions.of(model, backend, soc, precision, imgsz, thresholds, cores, on_stage, trusted))


def open_model(options: LoadOptions) -> Predictor:
    """Loads a model for inference; errors as of :func:`load`."""
    name, backend = options.model, options.backend
    named = name is not None and not is_bundle(Path(name)) and find_card(name) is not None
    # A name of the zoo means the bundle made from it here, but to PyTorch it means the checkpoint.
    only_checkpoints = backend in BACKENDS and not BACKENDS[backend].bundles
    folder = None
    if not (named and only_checkpoints):
        folder = find_bundle(name, options.soc, options.precision, options.progress, backend)
    if folder is None or only_checkpoints:
        return _load_checkpoint(options, folder)
    bundle = read_bundle(folder)
    runner = chosen(backend, "bundles")
    prepared = runner.prepare(bundle, options.soc, options.precision, options.progress)
    number = count(options.cores, prepared.cores)
    one_a_core = prepared.cores is not None and number > 1  # the driver of an NPU of one core takes no choice
    places: list[int | None] = [*range(number)] if one_a_core else [None] * number
    pool = Pool([partial(prepared.open, place) for place in places])
    return Predictor(bundle.spec, pool, options.thresholds, prepared.artifact, options.one_thread)


def _load_checkpoint(options: LoadOptions, folder: Path | None) -> Predictor:
    name, imgsz, backend = options.model or FALLBACK, options.imgsz, options.backend
    runner = chosen(backend, "checkpoints")
    if not runner.checkpoints:
        raise UserError(
            f"{name} is a checkpoint, and backend {backend!r} runs bundles.",
            f"Convert it first with: e2erknn convert {name} --soc rk3566",
        )
    options.progress("load", 0.0)
    # A bundle holds no checkpoint: the one it was made from stands in, if it is the zoo's or at hand, and no other.
    if folder:
        bundle = read_bundle(folder)
        source = same_weights(bundle, options.progress, options.trusted)
        imgsz = imgsz or bundle.spec.imgsz
    else:
        source = resolve(name, options.progress, options.trusted)
    pool = Pool([partial(runner.open_checkpoint, source, imgsz)] * count(options.cores, None))
    return Predictor(pool.runtimes[0].spec, pool, options.thresholds, one_thread=options.one_thread)
