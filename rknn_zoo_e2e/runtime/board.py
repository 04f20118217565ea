"""The NPU of this board through rknn-toolkit-lite2."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec

from rknn_zoo_e2e.boards import probe
from rknn_zoo_e2e.boards.native import remedy_for_board
from rknn_zoo_e2e.boards.soc import SOCS
from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.bundle.reader import check_file
from rknn_zoo_e2e.errors import UserError, first_line
from rknn_zoo_e2e.progress import Progress
from rknn_zoo_e2e.runtime.base import Prepared
from rknn_zoo_e2e.vision.arrays import Floats, Pixels

DOCTOR = "See what is missing with: e2erknn doctor"


def this_board() -> str:
    """The SoC of this board. Raises :class:`UserError` where there is no NPU, or nothing to drive it with."""
    soc = probe.board_soc()
    if soc is None:
        raise UserError(
            "There is no NPU here: this is no Rockchip board with a known SoC.",
            "Run it on the board, or here with --backend simulator or onnx; e2erknn doctor tells more.",
        )
    if find_spec("rknnlite") is None:
        raise UserError("rknn-toolkit-lite2 is not installed.", remedy_for_board())
    return soc


def artifact_for(bundle: Bundle, board: str, soc: str | None, precision: str | None) -> Artifact:
    """The artifact that a board runs.

    Args:
        board: its SoC.
        soc, precision: as asked for; None for the first that fits.

    Raises:
        UserError: the bundle has nothing for it.
    """
    for artifact in bundle.artifacts:
        if (
            probe.runs_on(artifact.soc, board)
            and soc in (None, artifact.soc)
            and precision in (None, artifact.precision)
        ):
            return artifact
    raise UserError(
        f"This board has an {board}, and {bundle.path} holds {bundle.held}"
        + (f", not {precision}." if precision else "."),
        f"Build it on a PC with: e2erknn convert {bundle.spec.name} --soc {board}",
    )


def prepare(bundle: Bundle, soc: str | None, precision: str | None, progress: Progress) -> Prepared:
    """The artifact for this board's NPU; fails as :func:`this_board` and :func:`artifact_for` do."""
    progress("load", 0.0)
    board = this_board()
    artifact = artifact_for(bundle, board, soc, precision)
    return Prepared(artifact, partial(BoardRuntime, bundle, artifact), SOCS[board].cores)


class BoardRuntime:
    """One context of an artifact on the NPU. A call gives the processor free until the NPU is done.

    Args:
        core: the core it is to run on; None leaves it to the driver, and is all that an NPU of one core takes.

    Raises:
        UserError: a damaged file, a runtime that does not take it, or no NPU.
    """

    backend = "board"

    def __init__(self, bundle: Bundle, artifact: Artifact, core: int | None = None) -> None:
        this_board()
        path = check_file(bundle, artifact.file, artifact.sha256)
        from rknnlite.api import RKNNLite

        self._lite = RKNNLite()
        # The vendor returns -1 and says why on standard error.
        if self._lite.load_rknn(str(path)) != 0:
            raise UserError(f"The NPU's runtime cannot load {path}.", DOCTOR)
        mask = {} if core is None else {"core_mask": getattr(RKNNLite, f"NPU_CORE_{core}")}
        if self._lite.init_runtime(**mask) != 0:
            self.close()
            raise UserError(f"The NPU does not start with {path}; its runtime says why above.", DOCTOR)

    def infer(self, rgb: Pixels) -> list[Floats]:
        """A letterboxed picture (H, W, 3) uint8 RGB to the outputs, which the vendor makes float32.

        Raises:
            UserError: the NPU failed.
        """
        try:
            outputs: list[Floats] | None = self._lite.inference(inputs=[rgb[None]])
        except Exception as error:  # it checks its inputs and the device with exceptions of any kind
            raise UserError(f"The NPU's runtime failed ({first_line(error)}).", DOCTOR) from error
        if outputs is None:
            raise UserError("The NPU gave no result; its runtime says why above.", DOCTOR)
        return outputs

    def close(self) -> None:
        """Gives the NPU's context back."""
        self._lite.release()
