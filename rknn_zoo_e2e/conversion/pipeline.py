"""The main job: models are prepared one after the other, their builds run side by side, each is kept once done."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.conversion.build import Build
from rknn_zoo_e2e.conversion.bundle_builder import Store
from rknn_zoo_e2e.conversion.executor import Executor, Local
from rknn_zoo_e2e.conversion.interrupt import held_back, wait_until
from rknn_zoo_e2e.conversion.options import Options, artifact_name
from rknn_zoo_e2e.conversion.prepare_client import Preparer
from rknn_zoo_e2e.conversion.progress import Progress, Silent, Timed
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.files.lock import locked
from rknn_zoo_e2e.isolation.parent import Flag
from rknn_zoo_e2e.isolation.workfolder import work_folder
from rknn_zoo_e2e.quantization.calibration import Calibration, from_pictures
from rknn_zoo_e2e.zoo import Source


@dataclass
class Conversion:
    """What came of one model.

    Attributes:
        model: its name.
        bundle: as it is on disk now; None if there is none.
        wanted: the artifacts that were asked for and are there.
        reused: those of them that were there already.
        failed: SoCs whose build failed, and why.
        seconds: of the stages all builds share.
        calibration: the pictures it was calibrated and verified with, if any.
        unverified: why there was nothing to verify its builds with, "" if there was or nobody wanted it.
    """

    model: str
    bundle: Bundle | None
    wanted: list[Artifact]
    reused: list[Artifact] = field(default_factory=list)
    failed: dict[str, UserError] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    calibration: Calibration | None = None
    unverified: str = ""

    @property
    def error(self) -> UserError | None:
        """Why nothing of what was asked for is there, None if something is."""
        return None if self.wanted else next(iter(self.failed.values()))

    @property
    def passed(self) -> bool:
        """Whether everything was built and agrees with fp32."""
        return not self.failed and all(a.parity.get("passed", True) for a in self.wanted)


def convert(source: Source, options: Options, progress: Progress | None = None) -> Conversion:
    """Builds every SoC of ``options`` into the model's bundle; what is there already and unchanged is kept.

    Raises:
        UserError: refused before any work, or every build failed; the bundle on disk is then what it was.
    """
    (done,) = convert_all([source], options, progress)
    if done.error:
        raise done.error
    return done


def convert_all(
    sources: Sequence[Source], options: Options, progress: Progress | None = None, executor: Executor | None = None
) -> list[Conversion]:
    """Builds every SoC of ``options`` for every model, in their order; a failure of one does not stop the others.

    Every build is put into its bundle as soon as it is done: after an interruption the same call goes on from there.

    Args:
        executor: where to build, by default on this machine, ``options.jobs`` side by side.

    Raises:
        UserError: refused before any work.
    """
    options.check()
    paths: dict[str, str] = {}
    for source in sources:
        path = os.path.realpath(source.path)
        if paths.setdefault(source.name, path) != path:
            raise UsageError(
                f"Two models are named {source.name}, and so would be their bundles.",
                "Rename one of them, or convert them one by one with another -o.",
            )
    unique = {source.name: source for source in sources}
    return _Batch(options, progress or Silent(), executor or Local(options.jobs)).run(list(unique.values()))


class _Model:
    """One model's conversion under way."""

    def __init__(self, source: Source, options: Options, progress: Progress, given: Calibration | None) -> None:
        self.source, self.options, self.progress = source, options, progress
        self.stages = Timed(lambda stage, share: progress.stage(source.name, stage, share))
        self.seconds: dict[str, float] = {}
        self.failed: dict[str, UserError] = {}
        self.store: Store | None = None
        self.files = ExitStack()
        self.left = 0  # builds that still need the files
        progress.expect(source.name, [self.label(soc.name) for soc in options.socs])
        try:
            self.store = Store(
                source, options, given, lambda _, stage, share: progress.stage(source.name, stage, share)
            )
        except UserError as error:
            self.fail(error)
        else:
            if not self.store.missing:
                self.tell_reused()

    def label(self, soc: str) -> str:
        return artifact_name(self.source.name, soc, self.options.precision)

    def tell_reused(self) -> None:
        for artifact in self.store.reused.values() if self.store else ():
            self.progress.done(Path(artifact.file).stem, artifact, reused=True)

    def prepare(self, cancelled: Flag, check: Callable[[], None]) -> list[Build]:
        """The builds to run, their files in a folder of their own, the bundle locked until the last one is over."""
        assert self.store is not None
        try:
            self.files.enter_context(locked(self.store.target, "convert", self.progress.note, self.source.name, check))
            self.store.look()  # another process may have changed it in between
            builds = self.prepare_missing(self.store, cancelled) if self.store.missing else []
        except UserError as error:
            if not cancelled.is_set():
                self.fail(error)
            builds = []
        else:
            self.tell_reused()
        self.left = len(builds)
        if not builds:
            self.files.close()
        return builds

    def prepare_missing(self, store: Store, cancelled: Flag) -> list[Build]:
        folder = self.files.enter_context(work_folder())
        with Preparer(self.stages, cancelled, self.options.time_limit) as preparer:
            spec, graphs = preparer.export(self.source, self.options, folder)
            for note in spec.notes:
                self.progress.note(f"{spec.name}: {note}")
            store.begin(spec, graphs)
            builds = preparer.builds(store.missing, store.calibration)
        self.seconds = self.stages.seconds()
        return builds

    def leave(self) -> None:
        """A build is over; after the last one its files may go."""
        assert self.store is not None
        with self.store.lock:
            self.left -= 1
            last = not self.left
        if last:
            self.files.close()

    def fail(self, error: UserError, soc: str | None = None) -> None:
        """Notes why one build cannot be made, or all that are missing."""
        there = self.store.reused if self.store else {}
        for one in [soc] if soc else [s.name for s in self.options.socs if s.name not in there]:
            self.failed[one] = error
            self.progress.done(self.label(one), error)

    def conversion(self) -> Conversion:
        """What came of it."""
        if self.store is None:
            return Conversion(self.source.name, None, [], failed=self.failed)
        reused = list(self.store.reused.values())
        failed = {soc.name: self.failed[soc.name] for soc in self.options.socs if soc.name in self.failed}
        wanted = [a for a in self.store.wanted if a.soc not in failed]
        pictures, unverified = self.store.calibration, self.store.unverified
        return Conversion(
            self.source.name, self.store.bundle, wanted, reused, failed, self.seconds, pictures, unverified
        )


class _Batch:
    """Several models' conversions."""

    def __init__(self, options: Options, progress: Progress, executor: Executor) -> None:
        self.options, self.progress, self.executor = options, progress, executor
        self.cancelled = threading.Event()

    def run(self, sources: Sequence[Source]) -> list[Conversion]:
        given = self.pictures(sources)
        models = [_Model(source, self.options, self.progress, given) for source in sources]
        used = [model.store.calibration for model in models if model.store]
        for line in dict.fromkeys(line for calibration in used if calibration for line in calibration.notes):
            self.progress.note(line)
        todo = [model for model in models if model.store is not None and model.store.missing]
        if todo:
            self.executor.check()
            with held_back(self.cancelled) as check:
                self.build_all(todo, check)
        return [model.conversion() for model in models]

    def pictures(self, sources: Sequence[Source]) -> Calibration | None:
        """The pictures that were given, which all models share."""
        options = self.options
        if options.calib is None:
            return None
        for source in sources:
            self.progress.expect(
                source.name, [artifact_name(source.name, s.name, options.precision) for s in options.socs]
            )

        def follow(share: float) -> None:
            for source in sources:
                self.progress.stage(source.name, "pictures", share)

        return from_pictures(options.calib, options.calib_images, follow)

    def build_all(self, models: Sequence[_Model], check: Callable[[], None]) -> None:
        """Prepares each model here once there is room, and builds it in other threads; ``check`` may end it all."""
        futures: set[Future[None]] = set()
        pool = ThreadPoolExecutor(self.executor.width)
        try:
            for model in models:
                wait_until(futures, self.executor.ahead, check)
                for build in model.prepare(self.cancelled, check):
                    futures.add(pool.submit(self.build, model, build))
            wait_until(futures, 0, check)
            for future in futures:
                future.result()
        except BaseException:
            self.cancelled.set()
            pool.shutdown(cancel_futures=True)
            raise
        finally:
            pool.shutdown()
            for model in models:
                model.files.close()

    def build(self, model: _Model, build: Build) -> None:
        """One build, from the toolkit into the bundle."""
        assert model.store is not None
        try:
            if model.store.broken:
                raise model.store.broken
            on_stage = partial(self.progress.stage, build.rknn.stem)
            result = self.executor.run(build, on_stage, self.cancelled)
            on_stage("write", 0.0)
            artifact = model.store.add(build, result)
        except UserError as error:
            if not self.cancelled.is_set():
                model.fail(error, build.job.soc)
        else:
            self.progress.done(build.rknn.stem, artifact)
        finally:
            model.leave()
