"""Whose program reads an artifact's outputs, and what it expects of them. Nothing here imports numpy or torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from rknn_zoo_e2e.boards.soc import Soc
from rknn_zoo_e2e.errors import UsageError

if TYPE_CHECKING:
    from rknn_zoo_e2e.tasks.forms import Form
    from rknn_zoo_e2e.tasks.outputs import Output
    from rknn_zoo_e2e.tasks.spec import ModelSpec

DEFAULT = "ultralytics"
LEVELS = "levels"  # a layout: outputs level by level, as the head's own maps are


@dataclass(frozen=True)
class Contract:
    """What one kind of program expects of a model's outputs. Names are ``module:object``, imported when needed.

    Attributes:
        name: as ``convert --for`` takes it and a bundle's metadata has it.
        readers: who reads such an artifact, in words.
        form: the class of :class:`~rknn_zoo_e2e.tasks.forms.Form` that knows its outputs and turns them into ours.
        tail: what makes them of a trained head, called as a :class:`~rknn_zoo_e2e.heads.detect.DetectTail` is.
        quantize: what Ultralytics is told in ``args``; where that is 8 it multiplies boxes by the input size.
        layout: of its artifacts, None where it may be chosen.
        tasks: those it knows, None for all.
        socs: those its readers run on, None for all.
        sides: sides of a square input its readers take, px; None for any input.
        ultralytics: whether Ultralytics' own backend reads it too.
        cpp: whether the C++ library reads it.
        int8: whether outputs are INT8 where the tail does not say otherwise; else all of them leave INT8 before.
        files: further files of a bundle, by name, as functions of the model and its artifacts (SoC -> file).
    """

    name: str
    readers: str
    form: str
    tail: str
    quantize: int = 16
    layout: str | None = None
    tasks: tuple[str, ...] | None = None
    socs: tuple[str, ...] | None = None
    sides: tuple[int, ...] | None = None
    ultralytics: bool = True
    cpp: bool = True
    int8: bool = False
    files: Mapping[str, str] = field(default_factory=dict)

    def form_of(self, spec: ModelSpec, ours: tuple[Output, ...]) -> Form:
        """What its outputs are, for a model whose outputs are ``ours`` where we decode them."""
        form: Form = resolve_name(self.form)(spec, ours)
        return form

    def texts(self, spec: ModelSpec, artifacts: Mapping[str, str]) -> dict[str, str]:
        """Its further files, by name, of a bundle with these artifacts (SoC -> file)."""
        makers: dict[str, Callable[[ModelSpec, Mapping[str, str]], str]]
        makers = {name: resolve_name(path) for name, path in self.files.items()}
        return {name: make(spec, artifacts) for name, make in makers.items()}

    def check_socs(self, socs: tuple[Soc, ...]) -> None:
        """Raises :class:`UsageError` for a SoC its readers do not run on."""
        for soc in socs:
            if self.socs is not None and soc.name not in self.socs:
                raise UsageError(f"{self.readers} does not run on {soc.name}.", f"Choose from: {', '.join(self.socs)}.")

    def check_layout(self, layout: str | None) -> None:
        """Raises :class:`UsageError` for a layout its readers do not take."""
        if layout is not None and self.layout not in (None, layout):
            raise UsageError(f"--for {self.name} has no layout {layout}.", "Leave --layout away.")

    def check_imgsz(self, imgsz: tuple[int, int]) -> None:
        """Raises :class:`UsageError` for an input (height, width) in px that its readers do not take."""
        if self.sides is not None and not (imgsz[0] == imgsz[1] and imgsz[0] in self.sides):
            raise UsageError(
                f"{self.readers} takes inputs of {' or '.join(map(str, self.sides))} px, not {imgsz[0]} x {imgsz[1]}.",
                f"Add --imgsz {self.sides[0]}.",
            )

    def check_task(self, spec: ModelSpec) -> None:
        """Raises :class:`UsageError` for a model of a task its readers do not know."""
        if self.tasks is not None and spec.task not in self.tasks:
            raise UsageError(
                f"{self.readers} does not read {spec.task} models, as {spec.name} is one.",
                f"Give a model for {' or '.join(self.tasks)}, or leave --for {self.name} away.",
            )


CONTRACTS: dict[str, Contract] = {}


def register(contract: Contract) -> None:
    """Adds a kind of reader: from now on ``convert --for`` takes its name.

    Raises:
        ValueError: there is one of that name.
    """
    if contract.name in CONTRACTS:
        raise ValueError(f"contract {contract.name} is registered already")
    CONTRACTS[contract.name] = contract


def find_contract(name: str) -> Contract:
    """The contract of that name. Raises :class:`UsageError` where there is none."""
    if name not in CONTRACTS:
        raise UsageError(f"--for {name!r} is nobody known.", f"Choose one of: {', '.join(CONTRACTS)}.")
    return CONTRACTS[name]


register(
    Contract(
        name=DEFAULT,
        readers="Ultralytics",
        form="rknn_zoo_e2e.tasks.forms:Form",
        tail="rknn_zoo_e2e.heads.registry:normalised_tail",
        quantize=8,
    )
)
register(
    Contract(
        name="frigate",
        readers="Frigate",
        form="rknn_zoo_e2e.tasks.forms:PixelForm",
        tail="rknn_zoo_e2e.heads.registry:pixel_tail",
        layout="flat",
        tasks=("detect",),
        # SUPPORTED_RK_SOCS of Frigate's rknn detector.
        socs=("rk3562", "rk3566", "rk3568", "rk3576", "rk3588"),
        sides=(320, 640),
        files={
            "frigate.yml": "rknn_zoo_e2e.tasks.frigate:stanza",
            "labelmap.txt": "rknn_zoo_e2e.tasks.frigate:label_map",
        },
    )
)
register(
    Contract(
        name="model-zoo",
        readers="rknn_model_zoo",
        form="rknn_zoo_e2e.tasks.model_zoo:form_of",
        tail="rknn_zoo_e2e.heads.model_zoo:zoo_tail",
        layout=LEVELS,
        tasks=("detect", "pose", "segment", "obb"),
        ultralytics=False,
        cpp=False,
        int8=True,
    )
)
