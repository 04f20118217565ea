"""Loading any MODEL for inference: ``load(model)(image) -> Result``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from rknn_zoo_e2e.boards import probe
from rknn_zoo_e2e.boards.soc import PRECISIONS, SOCS, find_soc
from rknn_zoo_e2e.bundle.model import SUFFIX, Artifact, Bundle
from rknn_zoo_e2e.bundle.reader import check_file, is_bundle, newest, read_bundle
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.files.paths import expanded
from rknn_zoo_e2e.isolation.parent import OnStage
from rknn_zoo_e2e.runtime.base import BACKENDS, FROM_GRAPH, Runtime
from rknn_zoo_e2e.runtime.pool import Pool
from rknn_zoo_e2e.runtime.predictor import Predictor
from rknn_zoo_e2e.tasks.base import Thresholds
from rknn_zoo_e2e.tasks.spec import check_imgsz, read_imgsz
from rknn_zoo_e2e.zoo import find_card, resolve, same_weights

FALLBACK = "yolov8n"
MOST_COPIES = 64  # of a runtime on a PC
NUMBER = re.compile("[0-9]{1,9}")


def find_bundle(
    model: str | None,
    soc: str | None = None,
    precision: str | None = None,
    on_stage: OnStage = lambda stage, share: None,
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

        return fetch(*parse(model), soc, precision, on_stage, backend in FROM_GRAPH).path
    path = Path(expanded(model))
    if is_bundle(path):
        return path
    if path.is_dir():
        read_bundle(path)  # raises: a folder can only be meant as a bundle
    card = find_card(model)
    beside = Path(f"{card.name if card else model}{SUFFIX}")
    return beside if not path.suffix and is_bundle(beside) else None


def load(
    model: str | Path | None = None,
    backend: str = "auto",
    soc: str | None = None,
    precision: str | None = None,
    imgsz: int | str | Sequence[int] | None = None,
    thresholds: Thresholds | None = None,
    cores: int | str = 1,
    on_stage: OnStage = lambda stage, share: None,
    trusted: bool = False,
) -> Predictor:
    """Loads a model for inference; of all words case and blanks do not matter.

    Args:
        model: bundle folder, ``hf:owner/name``, zoo name or ``.pt`` file; by default the newest bundle here, else
            yolov8n.
        backend: "board", "simulator", "onnx", "torch", or "auto": on a board its NPU, on a PC the simulator if it is
            installed, else ONNX.
        soc, precision: which artifact of a bundle; by default the first, on a board the first that runs there.
        imgsz: input side or (height, width) in px for torch, by default the bundle's, else the training size.
        thresholds: post-processing arguments, Ultralytics' defaults if None.
        cores: NPU cores to run on side by side, or "all"; elsewhere so many copies of the runtime ("all" is one).
        on_stage: told of the stages of loading.
        trusted: whether code in a ``.pt`` may run.

    Raises:
        UsageError: an argument means nothing.
        UserError: no such model, or the backend cannot run it here.
    """
    name = None if model is None else expanded(str(model))
    backend = one_of(BACKENDS, backend, "a backend")
    soc = find_soc(str(soc)).name if soc else None
    precision = None if precision is None else one_of(PRECISIONS, precision, "a precision")
    size = read_imgsz(imgsz)
    if size is not None:
        check_imgsz(size)
    thresholds = thresholds or Thresholds()
    named = name is not None and find_card(name) is not None and not is_bundle(Path(name))
    # A name of the zoo means the bundle made from it here, but to PyTorch it means the checkpoint.
    folder = None if named and backend == "torch" else find_bundle(name, soc, precision, on_stage, backend)
    if folder is None or backend == "torch":
        return _load_checkpoint(name, folder, backend, size, thresholds, cores, on_stage, trusted)
    bundle = read_bundle(folder)
    if backend == "auto":
        backend = "board" if probe.board_soc() else "simulator" if find_spec("rknn") else "onnx"
    if backend == "board":
        return _load_board(bundle, soc, precision, thresholds, cores, on_stage)
    artifact = bundle.artifact(soc, precision)
    pool = Pool([lambda: _open(bundle, artifact, backend, on_stage)] * count(cores, None))
    return Predictor(bundle.spec, pool, thresholds, artifact)


def one_of(choices: Sequence[str], given: object, what: str) -> str:
    """The one of ``choices`` that somebody means. Raises :class:`UsageError` where it is none."""
    found = str(given).strip().lower()
    if found not in choices:
        raise UsageError(f"{given!r} is not {what}.", f"Choose one of: {', '.join(choices)}.")
    return found


def count(cores: int | str, available: int | None) -> int:
    """How many contexts ``cores`` means, of the ``available`` ones, or None where it is a number of copies."""
    given = str(cores).strip().lower()
    if given == "all":
        return available or 1
    most = available or MOST_COPIES
    if not NUMBER.fullmatch(given) or not 1 <= int(given) <= most:
        raise UsageError(f"{given[:40]} cores cannot be used here.", f"Give all, or a number from 1 to {most}.")
    return int(given)


def _load_board(
    bundle: Bundle, soc: str | None, precision: str | None, thresholds: Thresholds, cores: int | str, on_stage: OnStage
) -> Predictor:
    from rknn_zoo_e2e.runtime.board import BoardRuntime, fitting, this_board

    on_stage("load", 0.0)
    artifact = fitting(bundle, soc, precision)
    number = count(cores, SOCS[this_board()].cores)
    places: list[int | None] = list(range(number)) if number > 1 else [None]
    pool = Pool([partial(BoardRuntime, bundle, artifact, core) for core in places])
    return Predictor(bundle.spec, pool, thresholds, artifact)


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
    cores: int | str,
    on_stage: OnStage,
    trusted: bool,
) -> Predictor:
    if backend not in ("auto", "torch"):
        raise UserError(
            f"{name or FALLBACK} is a checkpoint, and backend {backend!r} runs bundles.",
            f"Convert it first with: e2erknn convert {name or FALLBACK} --soc rk3566",
        )
    from rknn_zoo_e2e.runtime.torch import TorchRuntime

    def follow(what: str, stage: str, share: float = 0.0) -> None:
        on_stage(stage, share)

    on_stage("load", 0.0)
    # A bundle holds no checkpoint: the one it was made from stands in, if it is the zoo's or at hand, and no other.
    bundle = read_bundle(folder) if folder else None
    if bundle:
        source = same_weights(bundle, follow, trusted)
        imgsz = imgsz or bundle.spec.imgsz
    else:
        source = resolve(name or FALLBACK, follow, trusted)
    pool = Pool([lambda: TorchRuntime(source, imgsz)] * count(cores, None))
    return Predictor(pool.runtimes[0].spec, pool, thresholds)
