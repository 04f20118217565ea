"""The main job: load, patch, export, calibrate, build, verify, write."""

from __future__ import annotations

import hashlib
import json
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from rknn_zoo_e2e.bundle import (
    ONNX,
    SUFFIX,
    Artifact,
    Bundle,
    check_file,
    graph_of,
    is_bundle,
    read_bundle,
    write_bundle,
)
from rknn_zoo_e2e.convert.build import BuildResult, Check, fp32_checks, run_build
from rknn_zoo_e2e.convert.calibration import Calibration
from rknn_zoo_e2e.convert.interrupt import ctrl_c_sets
from rknn_zoo_e2e.convert.progress import Progress, Silent
from rknn_zoo_e2e.convert.recipe import VERIFY_PICTURES, Options, calibration_for, fingerprint, package_versions
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.soc import Soc
from rknn_zoo_e2e.spec import ModelSpec
from rknn_zoo_e2e.toolkit.client import require_toolkit
from rknn_zoo_e2e.toolkit.job import BuildJob, Ranges
from rknn_zoo_e2e.vision.image import read_image
from rknn_zoo_e2e.vision.letterbox import Letterbox
from rknn_zoo_e2e.weights import sha256
from rknn_zoo_e2e.zoo import Source


@dataclass
class Conversion:
    """What came of one model.

    Attributes:
        bundle: as it is on disk now.
        wanted: the artifacts that were asked for.
        reused: those of them that were there already.
        failed: SoCs whose build failed, and why.
        seconds: of the stages all builds share.
    """

    bundle: Bundle
    wanted: list[Artifact]
    reused: list[Artifact] = field(default_factory=list)
    failed: dict[str, UserError] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether everything was built and agrees with fp32."""
        return not self.failed and all(a.parity.get("passed", True) for a in self.wanted)


def convert(source: Source, options: Options, progress: Progress | None = None) -> Conversion:
    """Builds every SoC of ``options`` into the model's bundle; what is there already and unchanged is kept.

    Raises:
        UserError: refused before any work, or every build failed; the bundle on disk is then what it was.
    """
    options.check()
    calibration = calibration_for(source, options, (progress or Silent()).stage)
    target = options.out / f"{source.name}{SUFFIX}"
    old = _existing(target, options.overwrite)
    weights = sha256(source.path)
    prints = {soc.name: fingerprint(weights, soc, options, calibration) for soc in options.socs}
    there = [a for a in (old.artifacts if old else ()) if prints.get(a.soc) == a.fingerprint and _intact(old, a)]
    if old is not None and len(there) == len(prints):
        return Conversion(old, there, there)
    require_toolkit()
    return _Run(source, options, calibration, progress or Silent(), target, old, weights, prints).build(there)


SOFTMAX_FREE = "model-softmax-free"  # the graph for SoCs whose NPU has no Softmax
CUSTOM_STRING_LIMIT = 1024  # the toolkit's, characters


def essentials(spec: ModelSpec, soc: Soc, layout: str) -> str:
    """What a lone ``.rknn`` says of itself: JSON, with the class names (one a line) as far as they fit."""
    facts: dict[str, object] = {"soc": soc.name, "task": spec.task, "imgsz": spec.imgsz, "layout": layout}
    facts |= {"nms_free": spec.nms_free, "kpt_shape": spec.kpt_shape, "classes": len(spec.names)}
    named = json.dumps({**facts, "names": "\n".join(spec.names)}, separators=(",", ":"))
    return named if len(named) < CUSTOM_STRING_LIMIT else json.dumps(facts, separators=(",", ":"))


def _existing(target: Path, overwrite: bool) -> Bundle | None:
    """The bundle already there, if it is one; None if it is unreadable (damaged, another format) and may go."""
    if is_bundle(target):
        try:
            return read_bundle(target)
        except UserError as error:
            if overwrite:
                return None
            raise UserError(error.what, "Give another folder with -o, or --overwrite to replace it.") from error
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(f"{target} is there and is not a bundle.", "Move it away, or give another folder with -o.")
    return None


def _intact(bundle: Bundle | None, artifact: Artifact) -> bool:
    """Whether an artifact's file and its graph are still what was built."""
    if bundle is None:
        return False
    try:
        check_file(bundle, artifact.file, artifact.sha256)
        graph_of(bundle, artifact)
    except UserError:
        return False
    return True


@dataclass
class _Run:
    """One model's conversion under way."""

    source: Source
    options: Options
    calibration: Calibration | None
    progress: Progress
    target: Path
    old: Bundle | None
    weights: str
    prints: dict[str, str]
    seconds: dict[str, float] = field(default_factory=dict)

    def build(self, there: list[Artifact]) -> Conversion:
        """Loads, exports and builds what is not ``there``; writes the bundle with what it held besides."""
        with tempfile.TemporaryDirectory(prefix="e2erknn-") as folder:
            work = Path(folder)
            onnx = work / ONNX
            spec, graphs = self._export(onnx)
            bundle = Bundle(self.target, spec, self.options.layout, self.weights, sha256(onnx), origin=self._origin())
            kept = self._kept(bundle, there)
            there = [a for a in there if a in kept]
            socs = [s for s in dict.fromkeys(self.options.socs) if s.name not in {a.soc for a in there}]
            checks, pictures = self._pictures(spec, onnx, work)
            made: dict[str, Path | bytes] = {graph.name: graph for graph in (onnx, *graphs.values())}
            new, failed = self._build_all(socs, spec, onnx, graphs, work, checks, pictures, made)
            bundle.artifacts = kept + new
            self._enter("write")
            write_bundle(bundle, made)
        self._leave()
        return Conversion(bundle, there + new, there, failed, self.seconds)

    def _export(self, onnx: Path) -> tuple[ModelSpec, dict[str, Path]]:
        """Writes the graph, and beside it the one for SoCs that need another.

        Returns:
            The model's facts, and the graphs of those SoCs by name.
        """
        from rknn_zoo_e2e.convert.source import load_source

        self._enter("load")
        model, spec = load_source(self.source, self.options.imgsz)
        from rknn_zoo_e2e.convert.export import export_onnx
        from rknn_zoo_e2e.heads.attention import attention_patched, attentions
        from rknn_zoo_e2e.heads.reference import check_decode

        self._enter("patch")
        check_decode(model, spec)
        self._enter("export")
        export_onnx(model, spec, self.options.layout, onnx)
        graphs: dict[str, Path] = {}
        without = [soc.name for soc in self.options.socs if not soc.softmax]
        if without and attentions(model):
            own = onnx.with_name(SOFTMAX_FREE)
            with attention_patched(model, spec.imgsz):
                export_onnx(model, spec, self.options.layout, own)
            # Named by its content, as a calibration is: a kept artifact never finds another one in its place.
            named = own.rename(onnx.with_name(f"{SOFTMAX_FREE}-{sha256(own)[:8]}.onnx"))
            graphs = dict.fromkeys(without, named)
        self._leave()
        return spec, graphs

    def _kept(self, bundle: Bundle, there: list[Artifact]) -> list[Artifact]:
        """Artifacts of the old bundle that stay beside the new ones."""
        if self.old is None:
            return []
        replaced = set(self.prints) - {a.soc for a in there}
        kept = [a for a in self.old.artifacts if a.soc not in replaced or a.precision != self.options.precision]
        if self.old.onnx_sha256 == bundle.onnx_sha256 or not kept:
            return kept
        if not self.options.overwrite:
            held = ", ".join(f"{a.soc} {a.precision}" for a in kept)
            raise UserError(
                f"{self.target} holds builds of another graph (other weights, imgsz, layout or version): {held}.",
                "Give another folder with -o, or --overwrite to replace them.",
            )
        return []

    def _pictures(self, spec: ModelSpec, onnx: Path, work: Path) -> tuple[list[Check], tuple[Path, ...]]:
        """Pictures to verify with and, for INT8, all letterboxed files to calibrate with."""
        if self.calibration is None:
            return [], ()
        self._enter("pictures")
        chosen = []
        if self.options.verify:
            step = max(1, len(self.calibration) // VERIFY_PICTURES)
            for index in range(0, len(self.calibration), step)[:VERIFY_PICTURES]:
                image = self.calibration.read(index)
                letterbox = Letterbox.of(image, spec.imgsz)
                chosen.append((letterbox.apply(image), letterbox))
        checks = fp32_checks(onnx, chosen) if chosen else []
        int8 = self.options.precision == "int8"
        files = self.calibration.write(work / "calibration", spec.imgsz) if int8 else ()
        self._leave()
        return checks, files

    def _build_all(
        self,
        socs: list[Soc],
        spec: ModelSpec,
        onnx: Path,
        graphs: dict[str, Path],
        work: Path,
        checks: list[Check],
        pictures: tuple[Path, ...],
        made: dict[str, Path | bytes],
    ) -> tuple[list[Artifact], dict[str, UserError]]:
        """All builds side by side, with ranges measured once: they do not depend on the SoC.

        Raises:
            UserError: every one of them failed.
        """
        from rknn_zoo_e2e.convert.plan import hybrid_regions, int8_tensors

        int8 = self.options.precision == "int8"
        ranges = self._ranges(onnx, pictures, int8_tensors(onnx)) if int8 else None
        jobs = {}
        for soc in socs:
            graph = graphs.get(soc.name, onnx)
            jobs[soc.name] = BuildJob(
                onnx=graph,
                soc=soc.name,
                precision=self.options.precision,
                hybrid=hybrid_regions(graph, soc) if int8 else (),
                pictures=pictures,
                ranges=ranges,
                rknn=work / f"{spec.name}-{soc.name}-{self.options.precision}.rknn",
                custom_string=essentials(spec, soc, self.options.layout),
            )
        cancelled, results, failed = threading.Event(), {}, {}
        with ctrl_c_sets(cancelled), ThreadPoolExecutor(max_workers=max(1, self.options.jobs)) as pool:
            futures = {
                name: pool.submit(run_build, Path(str(job.rknn)).stem, job, spec, checks, self.progress, cancelled)
                for name, job in jobs.items()
            }
            try:
                for name, future in futures.items():
                    try:
                        results[name] = future.result()
                    except UserError as error:
                        failed[name] = error
            except BaseException:
                cancelled.set()
                pool.shutdown(cancel_futures=True)
                raise
        if cancelled.is_set():
            raise KeyboardInterrupt
        if not results:
            raise next(iter(failed.values()))
        return [self._artifact(jobs[name], result, made) for name, result in results.items()], failed

    def _ranges(self, onnx: Path, pictures: tuple[Path, ...], clipped: list[str]) -> Ranges:
        """Ranges of every tensor over the letterboxed pictures."""
        from rknn_zoo_e2e.convert.ranges import measure_ranges

        self._enter("calibrate")

        def follow(done: int) -> None:
            self.progress.stage(self.source.name, "calibrate", done / len(pictures))

        ranges = measure_ranges(onnx, map(read_image, pictures), clipped, follow)
        self._leave()
        return ranges

    def _calibration_file(self, ranges: Ranges, made: dict[str, Path | bytes]) -> str:
        """Ranges and pictures in a file named by its content, so that SoCs with equal ranges share it."""
        c = self.calibration
        assert c is not None
        document = {"name": c.name, "digest": c.digest, "pictures": list(c.pictures), "ranges": ranges}
        content = json.dumps(document).encode()
        name = f"calibration-{hashlib.sha256(content).hexdigest()[:8]}.json"
        made[name] = content
        return name

    def _artifact(self, job: BuildJob, result: BuildResult, made: dict[str, Path | bytes]) -> Artifact:
        assert job.rknn is not None
        calibration = self._calibration_file(result.ranges, made) if result.ranges is not None else ""
        log = f"{job.rknn.stem}.log"
        made[job.rknn.name], made[log] = job.rknn, result.log.encode()
        return Artifact(
            soc=job.soc,
            precision=job.precision,
            file=job.rknn.name,
            sha256=sha256(job.rknn),
            bytes=job.rknn.stat().st_size,
            toolkit=result.toolkit,
            fingerprint=self.prints[job.soc],
            hybrid=[list(pair) for pair in job.hybrid],
            calibration=calibration,
            log=log,
            graph="" if job.onnx.name == ONNX else job.onnx.name,
            graph_sha256="" if job.onnx.name == ONNX else sha256(job.onnx),
            placement=result.placement,
            parity=result.parity,
            seconds=result.seconds,
        )

    def _origin(self) -> dict[str, object]:
        versions = package_versions()
        return {
            "description": f"{self.source.name} for Rockchip NPUs, decoded end to end",
            "author": "rknn_zoo_e2e",
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "version": versions["ultralytics"],
            "license": "AGPL-3.0",
            "docs": "https://docs.ultralytics.com",
            "versions": versions,
        }

    def _enter(self, stage: str) -> None:
        self._leave()
        self._stage, self._since = stage, time.monotonic()
        self.progress.stage(self.source.name, stage)

    def _leave(self) -> None:
        """Ends the shared stage under way, if any."""
        if getattr(self, "_stage", None):
            spent = time.monotonic() - self._since
            self.seconds[self._stage] = round(self.seconds.get(self._stage, 0.0) + spent, 2)
            self._stage = ""
