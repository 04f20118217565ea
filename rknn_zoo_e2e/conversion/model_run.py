"""One model's conversion under way, and what came of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from rknn_zoo_e2e.boards.soc import Soc
from rknn_zoo_e2e.bundle.model import LABELS, METADATA, Artifact, Bundle
from rknn_zoo_e2e.bundle.parity import parity_text
from rknn_zoo_e2e.conversion.build import Build
from rknn_zoo_e2e.conversion.bundle_builder import BundleBuilder
from rknn_zoo_e2e.conversion.custom_string import LIMIT
from rknn_zoo_e2e.conversion.executor import Executor
from rknn_zoo_e2e.conversion.options import artifact_name
from rknn_zoo_e2e.conversion.prepare_client import Preparer
from rknn_zoo_e2e.conversion.request import Request
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.lock import locked
from rknn_zoo_e2e.isolation.parent import Flag
from rknn_zoo_e2e.isolation.workfolder import work_folder
from rknn_zoo_e2e.progress import Timed, Tracker
from rknn_zoo_e2e.quantization.calibration import Calibration

PARTS = {"names": "names of its classes", "skeleton": "skeleton"}
Run = Callable[[Executor, Flag], None]  # one build, from the toolkit into the bundle


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


class ModelRun:
    """One model's conversion under way: it is prepared here, its builds run in other threads.

    Raises:
        UserError: the folder of its bundle is taken by something else.
    """

    def __init__(self, request: Request, tracker: Tracker) -> None:
        self.request, self.tracker = request, tracker
        self.model, self.options = request.source.name, request.options
        self.bundle, self.reused = self._look()
        self.builder: BundleBuilder | None = None  # until it is prepared
        self.built: dict[str, Artifact] = {}
        self.failed: dict[str, UserError] = {}
        self.seconds: dict[str, float] = {}
        self._files, self._left = ExitStack(), 0  # what builds need, and how many still do
        self._lock = threading.Lock()
        if not self.missing:
            self._tell_reused()

    def _look(self) -> tuple[Bundle | None, dict[str, Artifact]]:
        """The bundle that is there, and what of it was asked for and stays."""
        bundle = self.request.look()
        return bundle, self.request.reusable(bundle)

    @property
    def missing(self) -> list[Soc]:
        """SoCs to build for."""
        return [soc for soc in self.options.socs if soc.name not in self.reused]

    def prepare(self, cancelled: Flag, check: Callable[[], None]) -> list[Run]:
        """The builds to run, their files in a folder of their own, the bundle locked until the last one is over."""
        runs: list[Run] = []
        try:
            note = self.tracker.note
            self._files.enter_context(locked(self.request.target, "convert", note, self.model, check))
            self.bundle, self.reused = self._look()  # another process may have changed it in between
            if self.missing:
                self.builder, builds = self._prepare(cancelled)
                runs = [partial(self._run, self.builder, build) for build in builds]
        except UserError as error:
            if not cancelled.is_set():
                self._fail(error)
        else:
            self._tell_reused()
        self._left = len(runs)
        if not runs:
            self.close()
        return runs

    def _prepare(self, cancelled: Flag) -> tuple[BundleBuilder, list[Build]]:
        folder = self._files.enter_context(work_folder())
        timed = Timed(self.tracker.of(self.model))
        with Preparer(timed, cancelled, self.options.time_limit) as preparer:
            layout = self.request.graph_layout(self.bundle)
            graphs = preparer.export(self.request.source, self.options, layout, folder)
            for note in graphs.spec.notes:
                self.tracker.note(f"{graphs.spec.name}: {note}")
            builder = BundleBuilder(self.request, self.bundle, graphs)
            self.reused = builder.reused
            builds = preparer.builds(graphs, self.options, builder.missing, self.request.calibration)
            for note in left_out_of(builds):
                self.tracker.note(note)
        self.seconds = timed.seconds()
        return builder, builds

    def _run(self, builder: BundleBuilder, build: Build, executor: Executor, cancelled: Flag) -> None:
        """One build, from the toolkit into the bundle."""
        name, soc = build.rknn.stem, build.job.soc
        try:
            if builder.broken:
                raise builder.broken
            progress = self.tracker.of(name)
            result = executor.run(build, progress, cancelled)
            progress("write", 0.0)
            artifact = self.built[soc] = builder.add(build, result)
        except UserError as error:
            if not cancelled.is_set():
                self._fail(error, soc)
        else:
            self.tracker.done(name, parity_text(artifact.parity))
        finally:
            with self._lock:
                self._left -= 1
                last = not self._left
            if last:
                self.close()

    def close(self) -> None:
        """Lets go of the files its builds needed, and of its bundle."""
        self._files.close()

    def _tell_reused(self) -> None:
        for artifact in self.reused.values():
            self.tracker.done(Path(artifact.file).stem, parity_text(artifact.parity), reused=True)

    def _fail(self, error: UserError, soc: str | None = None) -> None:
        """Notes why one build cannot be made, or all that are missing."""
        for one in [soc] if soc else [missing.name for missing in self.missing]:
            self.failed[one] = error
            self.tracker.done(artifact_name(self.model, one, self.options.precision), error)

    def conversion(self) -> Conversion:
        """What came of it."""
        bundle = self.builder.bundle if self.builder and self.built else self.bundle
        there = {*self.reused, *self.built}
        return Conversion(
            self.model,
            bundle,
            [a for a in bundle.artifacts if self.request.asks_for(a) and a.soc in there] if bundle else [],
            list(self.reused.values()),
            {soc.name: self.failed[soc.name] for soc in self.options.socs if soc.name in self.failed},
            self.seconds,
            self.request.calibration,
            self.request.unverified,
        )


def left_out_of(builds: Sequence[Build]) -> list[str]:
    """What to say of artifacts that do not hold all of what a lone ``.rknn`` could, a sentence each kind."""
    files: dict[tuple[str, ...], list[str]] = {}
    for build in builds:
        if build.left_out:
            files.setdefault(build.left_out, []).append(build.rknn.name)
    return [
        f"{', '.join(names)} cannot hold the {' and the '.join(PARTS[part] for part in parts)} (the vendor's limit for "
        f"such text is {LIMIT:,} bytes): on a board keep {METADATA} and {LABELS} beside it."
        for parts, names in files.items()
    ]
