"""The bundle being built: every new artifact is put into it as soon as it is there."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from rknn_zoo_e2e.boards.soc import SOCS
from rknn_zoo_e2e.bundle.model import ONNX, ZOO_KEY, Artifact, Bundle
from rknn_zoo_e2e.bundle.schema import MOST_RECORDED
from rknn_zoo_e2e.bundle.writer import write_bundle
from rknn_zoo_e2e.conversion.build import Build, BuildResult
from rknn_zoo_e2e.conversion.fingerprint import package_versions
from rknn_zoo_e2e.conversion.graphs import Graphs
from rknn_zoo_e2e.conversion.request import Request
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.checksum import sha256
from rknn_zoo_e2e.files.validation import harmless
from rknn_zoo_e2e.quantization.calibration import Calibration
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.toolkit.job import Ranges
from rknn_zoo_e2e.zoo import Identity


class BundleBuilder:
    """Adds artifacts to the bundle of a request. Nothing is written before the first of them.

    Args:
        held: the bundle that is there, as :meth:`Request.look` gives it.
        graphs: what the artifacts will be made from.

    Attributes:
        bundle: as it is on disk after :meth:`add`; before, what the first artifact will be added to.
        reused: SoC -> artifact that is there already and stays.
        missing: SoCs to build for.
        broken: why nothing can be written here, so that further builds are in vain.

    Raises:
        UserError: the bundle holds builds of another graph, and is not to be overwritten.
    """

    def __init__(self, request: Request, held: Bundle | None, graphs: Graphs) -> None:
        self.request = request
        self.imgsz = None if graphs.trained_size else graphs.spec.imgsz
        digest = sha256(graphs.main)
        kept, self.reused = kept_beside(request, held, digest)
        self.missing = [soc for soc in request.options.socs if soc.name not in self.reused]
        self.bundle = Bundle(
            request.target,
            graphs.spec,
            graphs.layout,
            request.weights,
            digest,
            kept,
            origin_of(graphs.spec, request.source.identity.fitting(graphs.spec)),
        )
        # In the order they were asked for, after those that were there before, whichever is built first.
        asked = [(soc.name, request.options.precision) for soc in request.options.socs]
        self._order = list(dict.fromkeys([*((a.soc, a.precision) for a in kept), *asked]))
        self._unwritten = graphs.files  # graphs that are not in the bundle yet
        self.broken: UserError | None = None
        self._lock = threading.Lock()

    def add(self, build: Build, result: BuildResult) -> Artifact:
        """Puts a finished build into the bundle on disk, in one step.

        Raises:
            UserError: it cannot be written.
        """
        ranges = b"" if result.ranges is None else calibration_file(self.request.calibration, result.ranges)
        fingerprint = self.request.fingerprint(SOCS[build.job.soc], self.imgsz)
        artifact, made = artifact_of(build, result, ranges, fingerprint)
        with self._lock:
            held = {(a.soc, a.precision): a for a in [*self.bundle.artifacts, artifact]}
            bundle = replace(self.bundle, artifacts=[held[one] for one in self._order if one in held])
            try:
                write_bundle(bundle, {**self._unwritten, **made})
            except UserError as error:
                self.broken = error
                raise
            self.bundle = bundle
            for name in (ONNX, artifact.graph):
                self._unwritten.pop(name, None)
        return artifact


def kept_beside(request: Request, held: Bundle | None, onnx_sha256: str) -> tuple[list[Artifact], dict[str, Artifact]]:
    """Artifacts that stay beside new ones made from the graph of that checksum, and those of them that were asked for.

    Raises:
        UserError: they are of another graph, and the bundle is not to be overwritten.
    """
    if held is None:
        return [], {}
    reused = request.reusable(held)
    if held.onnx_sha256 == onnx_sha256:
        return held.artifacts, reused
    others = request.staying(held)
    if others and not request.options.overwrite:
        raise UserError(
            f"{request.target} holds builds of another graph (other weights, imgsz, --for or version): "
            f"{', '.join(f'{a.soc} {a.precision}' for a in others)}.",
            "Give another folder with -o, or --overwrite to replace them.",
        )
    return [], {}


def artifact_of(
    build: Build, result: BuildResult, ranges: bytes, fingerprint: str
) -> tuple[Artifact, dict[str, Path | bytes]]:
    """The artifact a build left, and its files by name.

    Args:
        ranges: content of its calibration file, empty for fp16.
    """
    job, log = build.job, f"{build.rknn.stem}.log"
    made: dict[str, Path | bytes] = {build.rknn.name: build.rknn, log: result.log.encode()}
    calibration = calibration_sha256 = ""
    if ranges:
        # Named by its content, so that SoCs with equal ranges share it.
        calibration_sha256 = hashlib.sha256(ranges).hexdigest()
        calibration = f"calibration-{calibration_sha256[:8]}.json"
        made[calibration] = ranges
    own = job.onnx.name != ONNX
    artifact = Artifact(
        soc=job.soc,
        precision=job.precision,
        file=build.rknn.name,
        sha256=sha256(build.rknn),
        bytes=build.rknn.stat().st_size,
        toolkit=result.toolkit,
        fingerprint=fingerprint,
        layout=build.layout,
        left_out=list(build.left_out),
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


def calibration_file(calibration: Calibration | None, ranges: Ranges) -> bytes:
    """Ranges and pictures."""
    assert calibration is not None  # without pictures there are no ranges
    # A picture may be called anything, and the file has to be read again.
    pictures = [harmless(name, MOST_RECORDED) for name in calibration.pictures]
    about = {"name": harmless(calibration.name, MOST_RECORDED), "digest": calibration.digest, "pictures": pictures}
    return json.dumps({**about, "digests": calibration.digests, "ranges": ranges}).encode()


def origin_of(spec: ModelSpec, identity: Identity) -> dict[str, object]:
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
