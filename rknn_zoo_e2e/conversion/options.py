"""What was asked for: how to convert, whatever the model."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from rknn_zoo_e2e.boards.soc import LAYOUTS, Soc, check_precision, find_soc
from rknn_zoo_e2e.conversion.bound import Bound
from rknn_zoo_e2e.errors import UsageError
from rknn_zoo_e2e.files.paths import user_path
from rknn_zoo_e2e.isolation.parent import TIME_LIMIT
from rknn_zoo_e2e.media.dataset import check_there
from rknn_zoo_e2e.tasks.contract import find_contract
from rknn_zoo_e2e.tasks.spec import check_imgsz, read_imgsz, split


@dataclass(frozen=True)
class Options:
    """How to convert, whatever the model.

    Attributes:
        imgsz: input (height, width) in px, None for the training size.
        calib: folder, data.yaml or list of pictures; None for the model's own set.
        calib_images: how many of them to use, None for 40 or as many as there are.
        layout: "flat" or "grid", None for each SoC's own (:attr:`~rknn_zoo_e2e.boards.soc.Soc.layout`).
        contract: whose program reads the outputs (:mod:`rknn_zoo_e2e.tasks.contract`).
        out: folder the bundle goes into.
        jobs: builds side by side.
        verify: compare each build with fp32.
        overwrite: replace a bundle made from something else.
        time_limit: seconds a stage may go without progress.
        bound: how much mAP INT8 may lose, None where nobody asked.
    """

    socs: tuple[Soc, ...]
    precision: str = "int8"
    imgsz: tuple[int, int] | None = None
    calib: Path | None = None
    calib_images: int | None = None
    layout: str | None = None
    jobs: int = 1
    out: Path = Path(".")
    verify: bool = True
    overwrite: bool = False
    time_limit: float = TIME_LIMIT
    contract: str = "ultralytics"
    bound: Bound | None = None

    @classmethod
    def of(
        cls,
        socs: str | Iterable[str],
        precision: object = "int8",
        imgsz: object = None,
        calib: object = None,
        calib_images: object = None,
        layout: object = None,
        jobs: object = 1,
        out: object = ".",
        verify: bool = True,
        overwrite: bool = False,
        time_limit: float = TIME_LIMIT,
        contract: object = "ultralytics",
        data: object = None,
        max_drop: object = None,
        say: Callable[[str], None] = lambda text: None,
    ) -> Options:
        """From what people type, in the command or in Python: lists with commas, case and blanks aside.

        Args:
            say: told where a SoC goes by another name.

        Raises:
            UsageError: something means nothing.
        """
        options = cls(
            socs=find_socs(socs, say),
            precision=word(precision),
            imgsz=read_imgsz(imgsz),
            calib=None if calib is None else user_path(calib, "--calib"),
            calib_images=None if calib_images is None else whole(calib_images, "--calib-images"),
            layout=None if layout is None else word(layout),
            jobs=whole(jobs, "--jobs"),
            out=user_path(out, "--out"),
            verify=verify,
            overwrite=overwrite,
            time_limit=time_limit,
            contract=word(contract),
            bound=Bound.of(max_drop, data),
        )
        options.check()
        return options

    def check(self) -> None:
        """Raises :class:`UserError` for whatever can be refused before any work."""
        if not self.socs:
            raise UsageError("No SoC was named.", "Add for example: --soc rk3566")
        if not isinstance(self.time_limit, (int, float)) or not 0 < self.time_limit < math.inf:
            raise UsageError(f"--time-limit {self.time_limit!r} is no number of seconds.", "Give one, such as 600.")
        for soc in self.socs:
            check_precision(soc, self.precision)
        if self.imgsz is not None:
            check_imgsz(self.imgsz)
        if self.layout not in (None, *LAYOUTS):
            raise UsageError(f"{self.layout!r} is not a layout.", f"Choose one of: {', '.join(LAYOUTS)}.")
        if self.bound is not None and self.precision != "int8":
            raise UsageError("--max-drop is for INT8: fp16 loses nothing it could give back.", "Leave it out.")
        contract = find_contract(self.contract)
        contract.check_socs(self.socs)
        contract.check_layout(self.layout)
        if self.imgsz is not None:
            contract.check_imgsz(self.imgsz)
        if self.calib is not None:
            check_there(self.calib)

    def layout_of(self, soc: Soc) -> str:
        """Of what is built for a SoC."""
        return find_contract(self.contract).layout or self.layout or soc.layout

    def builds_of(self, model: str) -> list[str]:
        """Names of all builds of a model."""
        return [artifact_name(model, soc.name, self.precision) for soc in self.socs]


def find_socs(names: str | Iterable[str], say: Callable[[str], None]) -> tuple[Soc, ...]:
    """The SoCs of those names, each once; one text may name several with commas between.

    Raises:
        UsageError: one is unknown.
    """
    given = [names] if isinstance(names, str) or not isinstance(names, Iterable) else names
    return tuple(dict.fromkeys(find_soc(name, say) for one in given for name in split(str(one))))


def word(given: object) -> str:
    """One of a few words somebody typed, as it is written here: in small letters."""
    return str(given).strip().lower()


def whole(given: object, option: str) -> int:
    """A number of things. Raises :class:`UsageError` where it is none, or less than one."""
    try:
        number = operator.index(given)  # type: ignore[arg-type] # numpy's are fine
    except TypeError:
        number = 0
    if number < 1 or isinstance(given, bool):
        raise UsageError(f"{option} {given!r} is not a number from 1 on.", f"Give one, such as {option} 4.")
    return number


def artifact_name(model: str, soc: str, precision: str) -> str:
    """What an artifact's files, and its build in progress, are called."""
    return f"{model}-{soc}-{precision}"
