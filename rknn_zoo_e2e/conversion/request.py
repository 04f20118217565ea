"""One model's conversion as it was asked for, and what its bundle already holds of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from rknn_zoo_e2e.boards.soc import Soc
from rknn_zoo_e2e.bundle.model import SUFFIX, Artifact, Bundle
from rknn_zoo_e2e.bundle.reader import check_file, graph_of, is_bundle, read_bundle
from rknn_zoo_e2e.bundle.schema import NAME
from rknn_zoo_e2e.conversion.fingerprint import fingerprint
from rknn_zoo_e2e.conversion.options import Options
from rknn_zoo_e2e.conversion.pictures import calibration_or_reason
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.checksum import sha256
from rknn_zoo_e2e.files.staging import check_name, write_error
from rknn_zoo_e2e.files.validation import shown
from rknn_zoo_e2e.progress import Progress, silent
from rknn_zoo_e2e.quantization.calibration import Calibration
from rknn_zoo_e2e.zoo import Source


@dataclass(frozen=True)
class Request:
    """One model's conversion as it was asked for, with all that can be known before any work.

    Attributes:
        calibration: the pictures all its builds use, None for fp16 without any.
        unverified: why there is nothing to verify a build with, "" if there is.
        weights: sha256 of the checkpoint.
        target: folder of the bundle.
    """

    source: Source
    options: Options
    calibration: Calibration | None
    unverified: str
    weights: str
    target: Path

    @classmethod
    def of(
        cls, source: Source, options: Options, given: Calibration | None = None, progress: Progress = silent
    ) -> Request:
        """The request to convert a model.

        Args:
            given: the pictures of ``options.calib`` where they were looked at already.

        Raises:
            UserError: it cannot be calibrated, read, or written under its name.
        """
        calibration, unverified = (given, "") if given else calibration_or_reason(source, options, progress)
        target = options.out / f"{source.name}{SUFFIX}"
        check_name(target)
        try:
            NAME(source.name, "its name")
        except ValueError as error:
            raise UserError(
                f"{shown(str(source.path))} cannot be converted: {error}, and so would be its bundle's.",
                "Rename the file; letters, digits, spaces, - and _ will do.",
            ) from error
        try:
            weights = sha256(source.path)
        except OSError as error:
            raise UserError(f"{source.path} cannot be read ({error.strerror}).", "Check its permissions.") from error
        return cls(source, options, calibration, unverified, weights, target)

    @property
    def verifies(self) -> bool:
        """Whether its builds are compared with fp32."""
        return self.options.verify and self.calibration is not None

    def fingerprint(self, soc: Soc, imgsz: tuple[int, int] | None) -> str:
        """Of an artifact of this request; ``imgsz`` None for the size the model was trained at."""
        return fingerprint(self.weights, soc, self.options, self.calibration, imgsz)

    def look(self) -> Bundle | None:
        """The bundle that is there, None if none is. What was asked for and is not whole any more is no part of it.

        Raises:
            UserError: the folder is taken by something else.
        """
        try:
            bundle = existing(self.target, self.options.overwrite)
        except OSError as error:  # no such folder can be
            raise write_error(self.target, error) from error
        if bundle is None:
            return None
        return replace(bundle, artifacts=[a for a in bundle.artifacts if not self.asks_for(a) or intact(bundle, a)])

    def asks_for(self, artifact: Artifact) -> bool:
        """Whether an artifact is for a SoC and of the precision that was asked for."""
        return artifact.precision == self.options.precision and artifact.soc in {soc.name for soc in self.options.socs}

    def reusable(self, bundle: Bundle | None) -> dict[str, Artifact]:
        """SoC -> artifact that is what would be built.

        A verified one serves also where it need not be. One that is not, and is to be, is built again: the simulator
        runs what the toolkit has just built, not a file, so that nothing less would verify this very artifact.

        Args:
            bundle: as :meth:`look` gives it.
        """
        if bundle is None:
            return {}
        # What the model was trained at has no number in a fingerprint: it is known only once the model is loaded.
        asked = self.options.imgsz
        sizes = {asked, None} if asked == bundle.spec.imgsz else {asked}
        good = {(soc.name, self.fingerprint(soc, size)) for soc in self.options.socs for size in sizes}
        return {
            a.soc: a
            for a in bundle.artifacts
            if self.asks_for(a) and (a.soc, a.fingerprint) in good and (a.parity or not self.verifies)
        }

    def staying(self, bundle: Bundle) -> list[Artifact]:
        """What of a bundle, as :meth:`look` gives it, is not built now."""
        reused = self.reusable(bundle)
        return [a for a in bundle.artifacts if not self.asks_for(a) or a.soc in reused]

    def graph_layout(self, bundle: Bundle | None) -> str:
        """The layout ``model.onnx`` is to have: that which is there where artifacts stay that were made with it.

        Else that of all that is asked for, and where they differ flat.

        Args:
            bundle: as :meth:`look` gives it.
        """
        if bundle and bundle.weights_sha256 == self.weights and self.staying(bundle):
            return bundle.onnx_layout
        asked = {self.options.layout_of(soc) for soc in self.options.socs}
        return asked.pop() if len(asked) == 1 else "flat"


def existing(target: Path, overwrite: bool) -> Bundle | None:
    """The bundle already there, if it is one; None if it is unreadable (damaged, another format) and may go."""
    if is_bundle(target):
        try:
            bundle = read_bundle(target)
            # An artifact whose files are gone is no part of it any more.
            there = [a for a in bundle.artifacts if all((target / name).is_file() for name in a.files if name)]
            return replace(bundle, artifacts=there)
        except UserError as error:
            if overwrite:
                return None
            raise UserError(error.what, "Give another folder with -o, or --overwrite to replace it.") from error
    if target.is_symlink() and not target.exists():
        raise UserError(f"{target} is a link that leads nowhere.", "Delete it, or give another folder with -o.")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"{target} is there and is not a bundle.", "Move it away, or give another folder with -o.")
    return None


def intact(bundle: Bundle, artifact: Artifact) -> bool:
    """Whether an artifact's files and its graph are still what was built."""
    try:
        for name, expected in artifact.checksums.items():
            check_file(bundle, name, expected)
        graph_of(bundle, artifact)
    except UserError:
        return False
    return True
