"""The main job: models are prepared one after the other, their builds run side by side, each is kept once done.

Each step takes what the one before it made:

- ask: what was asked for of a model, and what its bundle holds of that (:mod:`~rknn_zoo_e2e.conversion.request`)
- prepare: to the model's graphs, and from them to a build for each SoC (:mod:`~rknn_zoo_e2e.conversion.prepare_client`)
- build and verify: from a build to its result (:mod:`~rknn_zoo_e2e.conversion.build`)
- write: from the result to an artifact in the bundle (:mod:`~rknn_zoo_e2e.conversion.bundle_builder`)
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from rknn_zoo_e2e.conversion.executor import Executor, Local
from rknn_zoo_e2e.conversion.interrupt import held_back, wait_until
from rknn_zoo_e2e.conversion.model_run import Conversion, ModelRun
from rknn_zoo_e2e.conversion.options import Options
from rknn_zoo_e2e.conversion.request import Request
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.progress import Silent, Tracker
from rknn_zoo_e2e.quantization.calibration import Calibration, from_pictures
from rknn_zoo_e2e.zoo import Source

__all__ = ["Conversion", "convert", "convert_all"]


def convert(source: Source, options: Options, tracker: Tracker | None = None) -> Conversion:
    """Builds every SoC of ``options`` into the model's bundle; what is there already and unchanged is kept.

    Raises:
        UserError: refused before any work, or every build failed; the bundle on disk is then what it was.
    """
    (done,) = convert_all([source], options, tracker)
    if done.error:
        raise done.error
    return done


def convert_all(
    sources: Sequence[Source], options: Options, tracker: Tracker | None = None, executor: Executor | None = None
) -> list[Conversion]:
    """Builds every SoC of ``options`` for every model, in their order; a failure of one does not stop the others.

    Every build is put into its bundle as soon as it is done: after an interruption the same call goes on from there.

    Args:
        executor: where to build, by default on this machine, ``options.jobs`` side by side.

    Raises:
        UserError: refused before any work.
    """
    options.check()
    sources, tracker, executor = distinct(sources), tracker or Silent(), executor or Local(options.jobs)
    for source in sources:
        tracker.expect(source.name, options.builds_of(source.name))
    given = given_pictures(sources, options, tracker)
    begun = [begin(source, options, given, tracker) for source in sources]
    runs = [one for one in begun if isinstance(one, ModelRun)]
    used = [run.request.calibration for run in runs]
    for line in dict.fromkeys(line for calibration in used if calibration for line in calibration.notes):
        tracker.note(line)
    if todo := [run for run in runs if run.missing]:
        executor.check()
        cancelled = threading.Event()
        with held_back(cancelled) as check:
            build_all(todo, executor, cancelled, check)
    return [one.conversion() if isinstance(one, ModelRun) else one for one in begun]


def distinct(sources: Sequence[Source]) -> list[Source]:
    """Each of the checkpoints once. Raises :class:`UsageError` where two of them would make the same bundle."""
    paths: dict[str, str] = {}
    for source in sources:
        path = os.path.realpath(source.path)
        if paths.setdefault(source.name, path) != path:
            raise UsageError(
                f"Two models are named {source.name}, and so would be their bundles.",
                "Rename one of them, or convert them one by one with another -o.",
            )
    return list({source.name: source for source in sources}.values())


def given_pictures(sources: Sequence[Source], options: Options, tracker: Tracker) -> Calibration | None:
    """The pictures that were given, which all models share; None where none were."""
    if options.calib is None:
        return None
    followers = [tracker.of(source.name) for source in sources]

    def progress(stage: str, share: float = 0.0, /) -> None:
        for follower in followers:
            follower(stage, share)

    return from_pictures(options.calib, options.calib_images, progress)


def begin(source: Source, options: Options, given: Calibration | None, tracker: Tracker) -> ModelRun | Conversion:
    """A model's conversion, which is over where it is refused."""
    try:
        return ModelRun(Request.of(source, options, given, tracker.of(source.name)), tracker)
    except UserError as error:
        for build in options.builds_of(source.name):
            tracker.done(build, error)
        return Conversion(source.name, None, [], failed={soc.name: error for soc in options.socs})


def build_all(
    runs: Sequence[ModelRun], executor: Executor, cancelled: threading.Event, check: Callable[[], None]
) -> None:
    """Prepares each model here once there is room, and builds it in other threads; ``check`` may end it all."""
    futures: set[Future[None]] = set()
    pool = ThreadPoolExecutor(executor.width)
    try:
        for run in runs:
            wait_until(futures, executor.ahead, check)
            for build in run.prepare(cancelled, check):
                futures.add(pool.submit(build, executor, cancelled))
        wait_until(futures, 0, check)
        for future in futures:
            future.result()
    except BaseException:
        cancelled.set()
        pool.shutdown(cancel_futures=True)
        raise
    finally:
        pool.shutdown()
        for run in runs:
            run.close()
