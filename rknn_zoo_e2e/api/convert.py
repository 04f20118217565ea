"""``convert`` as a function, and what it returns."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rknn_zoo_e2e.bundle.model import Artifact
from rknn_zoo_e2e.conversion.options import Options
from rknn_zoo_e2e.conversion.pipeline import Conversion
from rknn_zoo_e2e.conversion.pipeline import convert as run
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.paths import expanded
from rknn_zoo_e2e.isolation.parent import TIME_LIMIT
from rknn_zoo_e2e.progress import Silent
from rknn_zoo_e2e.zoo import resolve

if TYPE_CHECKING:
    from rknn_zoo_e2e.analysis.drop import Held


@dataclass(frozen=True, eq=False)
class Converted(os.PathLike[str]):
    """What :func:`convert` made. It stands for the bundle's folder wherever a path may.

    It has whatever a :class:`~pathlib.Path` has, and equals that of its folder.

    Attributes:
        path: the bundle's folder.
        artifacts: those that were asked for, in the order of the bundle; new or built before.
        drop: by SoC what a bound on the loss led to, as the JSON of ``e2erknn convert`` has it: ``met``, ``fp32``, the
            builds that were ``tried``, which of them is ``chosen`` ..., losses in points of mAP50-95 x 100; empty where
            none was set.
    """

    path: Path
    artifacts: tuple[Artifact, ...]
    drop: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def parity(self) -> dict[str, dict[str, Any]]:
        """Agreement with fp32 by SoC (``passed``, ``recall``, ``mean_iou`` ...); empty where it was not verified."""
        return {artifact.soc: artifact.parity for artifact in self.artifacts}

    @property
    def passed(self) -> bool:
        """Whether all that was verified agrees with fp32."""
        return not self.disagreeing

    @property
    def disagreeing(self) -> tuple[str, ...]:
        """SoCs whose artifact disagrees with fp32 more than it should."""
        return tuple(soc for soc, parity in self.parity.items() if not parity.get("passed", True))

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def __truediv__(self, name: str | os.PathLike[str]) -> Path:
        return self.path / name

    def __eq__(self, other: object) -> bool:
        return self.path == (other.path if isinstance(other, Converted) else other)

    def __hash__(self) -> int:
        return hash(self.path)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what copy and pickle ask for before there is a path
            raise AttributeError(name)
        return getattr(self.path, name)


def convert(
    model: str | os.PathLike[str],
    socs: str | Sequence[str],
    precision: str = "int8",
    imgsz: int | str | Sequence[int] | None = None,
    calib: str | os.PathLike[str] | None = None,
    calib_images: int | None = None,
    layout: str | None = None,
    contract: str = "ultralytics",
    out: str | os.PathLike[str] = ".",
    verify: bool = True,
    overwrite: bool = False,
    time_limit: float = TIME_LIMIT,
    trusted: bool = False,
    check: bool = False,
    data: str | os.PathLike[str] | None = None,
    max_drop: float | None = None,
) -> Converted:
    """Builds a bundle and says what came of it; what is there already and unchanged is not built again.

    A build that disagrees with fp32, or loses more than ``max_drop`` whatever leaves INT8, is written all the same; the
    result says so, and a warning. It is an error only with ``check``, as with :func:`subprocess.run`.

    Args:
        model: zoo name or ``.pt`` file.
        socs: Rockchip SoCs, ["rk3566", "rk3588"] or "rk3566,rk3588".
        precision: "int8" or "fp16".
        imgsz: input side or (height, width) in px, the training size by default; a text as the command takes it too.
        calib: folder, data.yaml or list of pictures like those the model will see.
        calib_images: how many of them to calibrate with; None for 40, or all if there are fewer.
        layout: "flat" (Ultralytics' order) or "grid"; by default grid on rv* chips, flat elsewhere.
        contract: whose program reads the outputs: "ultralytics" (and this package), "frigate" or "model-zoo".
        out: folder the bundle goes into.
        verify: compare with fp32; fp16 needs ``calib`` for it, or a model of the zoo.
        overwrite: replace a bundle made from something else.
        time_limit: seconds a stage may go without progress.
        trusted: whether code in the ``.pt`` may run.
        check: whether a build that disagrees with fp32, or loses more than it may, is an error.
        data: ``data.yaml`` of labelled pictures to measure the loss on, for ``max_drop``.
        max_drop: how many points of mAP50-95 x 100 INT8 may lose: parts leave INT8 until it loses no more, in up to 15
            builds.

    Returns:
        The bundle's folder as a path, with its artifacts, their agreement with fp32 and what ``max_drop`` led to.

    Raises:
        UsageError: an argument means nothing.
        UserError: it was refused or a build failed; with ``check`` also where a build disagrees with fp32 or loses
            more than it may.

    Example:
        >>> from rknn_zoo_e2e import convert
        >>> result = convert("shapes", "rk3566", calib_images=8)  # a starter model, trained on drawn shapes
        >>> print(result)
        shapes_rknn_model
        >>> [artifact.file for artifact in result.artifacts]
        ['shapes-rk3566-int8.rknn']
        >>> result.passed, result.parity["rk3566"]["recall"] > 0.9
        (True, True)
        >>> held = convert("shapes", "rk3588", calib_images=8, out="held", data="shapes/data.yaml", max_drop=5).drop
        >>> held["rk3588"]["met"], held["rk3588"]["pictures"]["confirming"]
        (True, 4)
    """
    options = Options.of(
        socs,
        precision,
        imgsz,
        calib,
        calib_images,
        layout,
        out=out,
        verify=verify,
        overwrite=overwrite,
        time_limit=time_limit,
        contract=contract,
        data=data,
        max_drop=max_drop,
    )
    done = run(resolve(expanded(model), trusted=trusted), options)
    for error in done.failed.values():
        raise error
    bounded = keep_to_bound(done, options)
    assert done.bundle is not None
    result = Converted(done.bundle.path, tuple(done.wanted), {held.soc: held.report for held in bounded})
    faults = [UserError(held.why, held.advice) for held in bounded if not held.met]
    if not result.passed:
        faults.append(UserError(f"{result} disagrees with fp32.", f"See: e2erknn inspect {result}"))
    for fault in faults:
        if check:
            raise fault
        warnings.warn(str(fault), stacklevel=2)
    return result


def keep_to_bound(done: Conversion, options: Options) -> list[Held]:
    """What a bound on the loss led to, artifact by artifact; nothing where none is set."""
    if options.bound is None:
        return []
    from rknn_zoo_e2e.analysis.drop import hold  # needs onnx, which convert has to miss in its own words

    return list(hold(done, options, Silent()))
