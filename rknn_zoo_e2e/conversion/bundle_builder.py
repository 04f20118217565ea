"""One model's bundle while it is converted: what of it is still good, and every new artifact as soon as it is built."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from rknn_zoo_e2e.boards.soc import Soc
from rknn_zoo_e2e.bundle.model import ONNX, SUFFIX, ZOO_KEY, Artifact, Bundle
from rknn_zoo_e2e.bundle.reader import check_file, graph_of, is_bundle, read_bundle
from rknn_zoo_e2e.bundle.schema import MOST_RECORDED, NAME
from rknn_zoo_e2e.bundle.writer import write_bundle
from rknn_zoo_e2e.conversion.build import Build, BuildResult
from rknn_zoo_e2e.conversion.options import Options, calibration_for, fingerprint, package_versions
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.checksum import sha256
from rknn_zoo_e2e.files.staging import check_name, write_error
from rknn_zoo_e2e.files.validation import harmless, shown
from rknn_zoo_e2e.quantization.calibration import Calibration
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.toolkit.job import Ranges
from rknn_zoo_e2e.zoo import Identity, Source
from rknn_zoo_e2e.zoo.fetch import Follow, nobody


class Store:
    """The bundle of one model.

    Attributes:
        calibration: the pictures all its builds use, None for fp16 without any.
        unverified: why there is nothing to verify a build with, "" if there is.
        bundle: as it is on disk; None before there is one.
        reused: SoC -> artifact that is there already, whole and made from the same inputs.
        broken: why nothing can be written here, so that further builds are in vain.

    Args:
        given: the pictures of ``options.calib`` where they were looked at already.

    Raises:
        UserError: its folder is taken by something else, or it cannot be calibrated.
    """

    def __init__(
        self, source: Source, options: Options, given: Calibration | None = None, follow: Follow = nobody
    ) -> None:
        self.options, self.identity = options, source.identity
        self.unverified = ""
        self.calibration = given or self._calibration(source, follow)
        self.target = options.out / f"{source.name}{SUFFIX}"
        check_name(self.target)
        try:
            NAME(source.name, "its name")
        except ValueError as error:
            raise UserError(
                f"{shown(str(source.path))} cannot be converted: {error}, and so would be its bundle's.",
                "Rename the file; letters, digits, spaces, - and _ will do.",
            ) from error
        try:
            self.weights = sha256(source.path)
        except OSError as error:
            raise UserError(f"{source.path} cannot be read ({error.strerror}).", "Check its permissions.") from error
        self.verifies = options.verify and self.calibration is not None
        self.prints = {soc.name: self._print(soc, self.verifies) for soc in options.socs}
        # What was verified serves also where it need not be.
        self.good = {soc.name: {self.prints[soc.name], self._print(soc, True)} for soc in options.socs}
        self.broken: UserError | None = None
        self.lock = threading.Lock()
        self.look()

    def _calibration(self, source: Source, follow: Follow) -> Calibration | None:
        """The pictures; fp16 is built without any too, and then it is said that nothing was compared."""
        int8 = self.options.precision == "int8"
        if not int8 and not self.options.verify:
            return None
        try:
            return calibration_for(source, self.options, follow)
        except UserError as error:
            if int8:
                raise
            self.unverified = error.what
            return None

    def _print(self, soc: Soc, verified: bool) -> str:
        return fingerprint(self.weights, soc, self.options, self.calibration, verified)

    def look(self) -> None:
        """Sees what is there; again once nobody else can change it.

        Raises:
            UserError: something else is there.
        """
        try:
            self.bundle = _existing(self.target, self.options.overwrite)
        except OSError as error:  # no such folder can be
            raise write_error(self.target, error) from error
        self.stale: set[str] = set()  # SoCs whose artifact cannot stay beside a new one
        self.reused: dict[str, Artifact] = {}
        self.fresh: dict[str, Path] = {}  # graphs of this run that are not in the bundle yet
        if self.bundle is None:
            return
        for artifact in self.bundle.artifacts:
            if artifact.precision == self.options.precision and artifact.soc in self.prints:
                if not _intact(self.bundle, artifact):
                    self.stale.add(artifact.soc)
                elif artifact.fingerprint in self.good[artifact.soc]:
                    self.reused[artifact.soc] = artifact

    @property
    def missing(self) -> list[Soc]:
        """SoCs to build for."""
        return [soc for soc in self.options.socs if soc.name not in self.reused]

    @property
    def wanted(self) -> list[Artifact]:
        """What the bundle on disk holds of what was asked for."""
        held = self.bundle.artifacts if self.bundle else []
        return [a for a in held if a.fingerprint in self.good.get(a.soc, ()) and a.soc not in self.stale]

    def begin(self, spec: ModelSpec, graphs: dict[str, Path]) -> None:
        """Artifacts of this model and these graphs will be added; nothing is written yet.

        Raises:
            UserError: the bundle holds builds of another graph, and is not to be overwritten.
        """
        new = Bundle(
            self.target,
            spec,
            self.options.layout,
            self.weights,
            sha256(graphs[ONNX]),
            origin=_origin(spec, self.identity.fitting(spec)),
        )
        if self.bundle is not None:
            held = [
                a for a in self.bundle.artifacts if a.precision != self.options.precision or a.soc not in self.stale
            ]
            if self.bundle.onnx_sha256 != new.onnx_sha256:
                replaced = {(soc.name, self.options.precision) for soc in self.missing}
                others = [a for a in held if (a.soc, a.precision) not in replaced]
                if others and not self.options.overwrite:
                    raise UserError(
                        f"{self.target} holds builds of another graph (other weights, imgsz, layout or version): "
                        f"{', '.join(f'{a.soc} {a.precision}' for a in others)}.",
                        "Give another folder with -o, or --overwrite to replace them.",
                    )
                held, self.reused = [], {}
            new.artifacts = held
        self.next, self.fresh = new, dict(graphs)
        self.before = [(a.soc, a.precision) for a in new.artifacts]

    def add(self, build: Build, result: BuildResult) -> Artifact:
        """Puts a finished build into the bundle on disk, in one step.

        Raises:
            UserError: it cannot be written.
        """
        artifact, made = self._artifact(build, result)
        with self.lock:
            key = artifact.soc, artifact.precision
            held = {(a.soc, a.precision): a for a in self.next.artifacts} | {key: artifact}
            # In the order they were asked for, after those that were there before, whichever is built first.
            order = [*self.before, *((soc.name, self.options.precision) for soc in self.options.socs)]
            bundle = replace(self.next, artifacts=[held[one] for one in dict.fromkeys(order) if one in held])
            try:
                write_bundle(bundle, {**self.fresh, **made})
            except UserError as error:
                self.broken = error
                raise
            self.bundle = self.next = bundle
            self.stale.discard(artifact.soc)
            for name in (ONNX, artifact.graph):
                self.fresh.pop(name, None)
        return artifact

    def _artifact(self, build: Build, result: BuildResult) -> tuple[Artifact, dict[str, Path | bytes]]:
        """The artifact, and its files by name."""
        job, log = build.job, f"{build.rknn.stem}.log"
        made: dict[str, Path | bytes] = {build.rknn.name: build.rknn, log: result.log.encode()}
        calibration = calibration_sha256 = ""
        if result.ranges is not None:
            content = self._calibration_file(result.ranges)
            # Named by its content, so that SoCs with equal ranges share it.
            calibration_sha256 = hashlib.sha256(content).hexdigest()
            calibration = f"calibration-{calibration_sha256[:8]}.json"
            made[calibration] = content
        own = job.onnx.name != ONNX
        artifact = Artifact(
            soc=job.soc,
            precision=job.precision,
            file=build.rknn.name,
            sha256=sha256(build.rknn),
            bytes=build.rknn.stat().st_size,
            toolkit=result.toolkit,
            fingerprint=self.prints[job.soc],
            hybrid=[list(pair) for pair in job.hybrid],
            calibration=calibration,
            calibration_sha256=calibration_sha256,
            log=log,
            log_sha256=hashlib.sha256(result.log.encode()).hexdigest(),
            graph=job.onnx.name if own else "",
            graph_sha256=sha256(job.onnx) if own else "",
            placement=result.placement,
            parity=result.parity,
            seconds=result.seconds,
        )
        return artifact, made

    def _calibration_file(self, ranges: Ranges) -> bytes:
        """Ranges and pictures."""
        c = self.calibration
        assert c is not None
        # A picture may be called anything, and the file has to be read again.
        pictures = [harmless(name, MOST_RECORDED) for name in c.pictures]
        about = {"name": harmless(c.name, MOST_RECORDED), "digest": c.digest, "pictures": pictures}
        return json.dumps({**about, "ranges": ranges}).encode()


def _origin(spec: ModelSpec, identity: Identity) -> dict[str, object]:
    """Where it comes from. The user's own weights have the licence their maker gives them: nothing is said of it."""
    versions, card = package_versions(), identity.card
    known: dict[str, object] = {"license": card.license, ZOO_KEY: card.name} if card else {}
    return {
        "description": f"{spec.name} for Rockchip NPUs, decoded end to end",
        "author": "rknn_zoo_e2e",
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "version": versions["ultralytics"],
        **known,
        "docs": "https://docs.ultralytics.com",
        "versions": versions,
    }


def _existing(target: Path, overwrite: bool) -> Bundle | None:
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


def _intact(bundle: Bundle, artifact: Artifact) -> bool:
    """Whether an artifact's files and its graph are still what was built."""
    try:
        for name, expected in artifact.checksums.items():
            check_file(bundle, name, expected)
        graph_of(bundle, artifact)
    except UserError:
        return False
    return True
