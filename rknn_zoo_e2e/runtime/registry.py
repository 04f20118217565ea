"""The backends: what is true of each, and where it is opened. None of their packages is imported before that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from rknn_zoo_e2e.boards import native, probe
from rknn_zoo_e2e.boards.environment import version_of
from rknn_zoo_e2e.bundle.schema import WORD

if TYPE_CHECKING:
    from rknn_zoo_e2e.bundle.model import Bundle
    from rknn_zoo_e2e.progress import Progress
    from rknn_zoo_e2e.runtime.base import CheckpointRuntime, Prepared
    from rknn_zoo_e2e.zoo import Source


@dataclass(frozen=True)
class Backend:
    """What is true of one backend. It runs bundles, checkpoints or both.

    Attributes:
        name: as ``--backend`` takes it, small letters and digits.
        title: what it is called in a model card's table.
        finder: what is said to have found something with it, where ``soc`` and ``precision`` are an artifact's.
        bundles: ``module:function`` for :meth:`prepare`, "" if it runs none.
        checkpoints: ``module:function`` for :meth:`open_checkpoint`, "" if it runs none.
        here: whether "auto" may choose it on this machine.
        needs_graph: it needs more of a bundle than its ``.rknn``.
        runs_artifact: it answers as the artifact does, at its precision; others answer as fp32 does.
        has_npu: it is an NPU that answers, so that its time is worth measuring.
        runtime: what drives that NPU, with its version.
    """

    name: str
    title: str
    finder: str
    bundles: str = ""
    checkpoints: str = ""
    here: Callable[[], bool] = lambda: True
    needs_graph: bool = False
    runs_artifact: bool = False
    has_npu: bool = False
    runtime: Callable[[], str] = lambda: "unknown"

    def prepare(self, bundle: Bundle, soc: str | None, precision: str | None, progress: Progress) -> Prepared:
        """The artifact of a bundle that it runs, ready to be opened.

        Args:
            soc, precision: as asked for; None for the first that fits.
            progress: told of the stages of loading, here or when it is opened.

        Raises:
            UserError: the bundle has none, or it cannot be run here.
        """
        prepared: Prepared = resolve_name(self.bundles)(bundle, soc, precision, progress)
        return prepared

    def open_checkpoint(self, source: Source, imgsz: tuple[int, int] | None) -> CheckpointRuntime:
        """A checkpoint, loaded.

        Args:
            imgsz: input (height, width) in px, None for the training size.

        Raises:
            UserError: it is none, or it cannot be run here.
        """
        runtime: CheckpointRuntime = resolve_name(self.checkpoints)(source, imgsz)
        return runtime


BACKENDS: dict[str, Backend] = {}


def register(backend: Backend) -> None:
    """Adds a backend. "auto" takes the first registered that is here and runs what was given.

    Raises:
        ValueError: there is one of that name, or a bundle's metadata cannot hold such a name.
    """
    WORD(backend.name, "the name of a backend")
    if backend.name in ("auto", *BACKENDS):
        raise ValueError(f"backend {backend.name} is registered already")
    BACKENDS[backend.name] = backend


def chosen(name: str, runs: str) -> Backend:
    """The backend of that name; of "auto" the first that is here and runs ``runs``, "bundles" or "checkpoints"."""
    return BACKENDS.get(name) or next(one for one in BACKENDS.values() if getattr(one, runs) and one.here())


register(
    Backend(
        name="board",
        title="board",
        finder="{soc} {precision} build on the board",
        bundles="rknn_zoo_e2e.runtime.board:prepare",
        # A board with neither is told what to install, and not given to another backend.
        here=lambda: probe.board_soc() is not None and (find_spec("rknnlite") is not None or not native.is_there()),
        runs_artifact=True,
        has_npu=True,
        runtime=lambda: f"rknn-toolkit-lite2 {version_of('rknn-toolkit-lite2') or ''}".rstrip(),
    )
)
register(
    Backend(
        name="native",
        title="board, C++ library",
        finder="{soc} {precision} build on the board by the C++ library",
        bundles="rknn_zoo_e2e.runtime.native:prepare",
        here=lambda: probe.board_soc() is not None,  # and the one before is not
        runs_artifact=True,
        has_npu=True,
        runtime=lambda: f"C++ library {native.version_of(native.open_library())}",
    )
)
register(
    Backend(
        name="simulator",
        title="vendor's simulator on a PC",
        finder="{soc} {precision} build in the vendor's simulator on a PC",
        bundles="rknn_zoo_e2e.runtime.simulator:prepare",
        here=lambda: find_spec("rknn") is not None,
        needs_graph=True,
        runs_artifact=True,
    )
)
register(
    Backend(
        name="onnx",  # here on every machine: what lacks onnxruntime is told to install it
        title="fp32 graph on a PC",
        finder="fp32 graph",
        bundles="rknn_zoo_e2e.runtime.onnx:prepare",
        needs_graph=True,
    )
)
register(
    Backend(
        name="torch",
        title="checkpoint on a PC",
        finder="checkpoint",
        checkpoints="rknn_zoo_e2e.runtime.torch:TorchRuntime",
    )
)
