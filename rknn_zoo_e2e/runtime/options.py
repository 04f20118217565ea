"""What was asked for: which model to load for inference, and how to run it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rknn_zoo_e2e.boards.soc import PRECISIONS, find_soc
from rknn_zoo_e2e.errors import UsageError
from rknn_zoo_e2e.files.paths import expanded
from rknn_zoo_e2e.progress import Progress, following, silent
from rknn_zoo_e2e.runtime.registry import BACKENDS
from rknn_zoo_e2e.tasks.base import Thresholds
from rknn_zoo_e2e.tasks.spec import check_imgsz, read_imgsz

MOST_COPIES = 64  # of a runtime on a PC
NUMBER = re.compile("[0-9]{1,9}")


@dataclass(frozen=True)
class LoadOptions:
    """How to load a model.

    Attributes:
        model: bundle folder, ``hf:owner/name``, zoo name or ``.pt`` file; None for what is at hand.
        backend: one of :data:`~rknn_zoo_e2e.runtime.registry.BACKENDS`, or "auto".
        soc, precision: which artifact of a bundle; None for the first that fits.
        imgsz: input (height, width) in px for torch, None for the bundle's or the training size.
        thresholds: post-processing arguments.
        cores: NPU cores, or copies of the runtime, to run side by side: a number or "all".
        progress: told of the stages of loading.
        trusted: whether code in a ``.pt`` may run.
        one_thread: whether BLAS uses one thread (:attr:`~rknn_zoo_e2e.tasks.base.Task.one_thread`).
    """

    model: str | None = None
    backend: str = "auto"
    soc: str | None = None
    precision: str | None = None
    imgsz: tuple[int, int] | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)
    cores: int | str = 1
    progress: Progress = silent
    trusted: bool = False
    one_thread: bool = False

    @classmethod
    def of(
        cls,
        model: str | os.PathLike[str] | None = None,
        backend: str = "auto",
        soc: str | None = None,
        precision: str | None = None,
        imgsz: int | str | Sequence[int] | None = None,
        thresholds: Thresholds | None = None,
        cores: int | str = 1,
        on_stage: Callable[[str, float], None] = silent,
        trusted: bool = False,
    ) -> LoadOptions:
        """From what people type, in the command or in Python: case and blanks aside.

        The environment says whether BLAS uses one thread, as it says to BLAS; the command line sees to that.

        Raises:
            UsageError: something means nothing.
        """
        name = None if model is None else expanded(model)
        backend = one_of(("auto", *BACKENDS), backend, "a backend")
        soc, precision = artifact_asked(soc, precision)
        size = read_imgsz(imgsz)
        if size is not None:
            check_imgsz(size)
        thresholds = thresholds or Thresholds()
        one_thread = os.environ.get("OPENBLAS_NUM_THREADS") == "1"
        return cls(name, backend, soc, precision, size, thresholds, cores, following(on_stage), trusted, one_thread)


def artifact_asked(soc: str | None, precision: str | None) -> tuple[str | None, str | None]:
    """SoC and precision as they are spelt here, None where one is left open.

    Raises:
        UsageError: one means nothing.
    """
    return (
        find_soc(str(soc)).name if soc else None,
        None if precision is None else one_of(PRECISIONS, precision, "a precision"),
    )


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
