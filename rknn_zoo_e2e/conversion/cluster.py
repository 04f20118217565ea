"""Builds on an existing Dask cluster.

Inputs travel with each build as bytes, and its artifact comes back as bytes: workers need no disk in common with us or
with each other, and a build that is retried elsewhere has all it needs (data scattered beforehand would die with the
worker that holds it).
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from rknn_zoo_e2e.boards.environment import version_of
from rknn_zoo_e2e.boards.install import PROJECT, install, install_elsewhere
from rknn_zoo_e2e.conversion.build import Build, BuildResult, run_build
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.isolation.parent import Flag
from rknn_zoo_e2e.isolation.workfolder import TMPDIR_ADVICE, work_folder
from rknn_zoo_e2e.progress import Progress

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 10.0
ALONE_SECONDS = 60.0  # without any worker before builds are given up: a nanny restarts its worker in a few
LOOK_SECONDS = 2.0  # between two looks at the cluster
PACKAGES = (PROJECT, "rknn-toolkit2", "onnx")  # what a worker builds with


@dataclass(frozen=True)
class Parcel:
    """A build without paths: file name -> content, and the names in place of the paths."""

    build: Build
    files: dict[str, bytes]

    @classmethod
    def of(cls, build: Build) -> Parcel:
        """A build to be sent away: its graph and pictures are read, and called by their names alone."""
        job = build.job
        paths = [job.onnx, *job.pictures]
        bare = replace(
            job,
            onnx=Path(job.onnx.name),
            pictures=tuple(Path(path.name) for path in job.pictures),
            rknn=Path(build.rknn.name),
        )
        return cls(replace(build, job=bare), {path.name: path.read_bytes() for path in paths})

    def unpack(self, folder: Path) -> Build:
        """The build with its files in ``folder``."""
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        job = self.build.job
        job = replace(
            job,
            onnx=folder / job.onnx,
            pictures=tuple(folder / path for path in job.pictures),
            rknn=folder / self.build.rknn,
        )
        return replace(self.build, job=job)


def build_parcel(packed: bytes, topic: str) -> tuple[BuildResult, bytes]:
    """Runs on a worker: what the build left, and its artifact. Stages are told under ``topic``."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    class Unwanted:
        """Set once nobody waits for this build any more: its client was interrupted or is gone."""

        def is_set(self) -> bool:
            task = worker.state.tasks.get(key)
            return task is None or task.state == "cancelled"

    def progress(stage: str, share: float = 0.0, /) -> None:
        worker.log_event(topic, (key, stage, share))

    with work_folder() as folder:
        build = pickle.loads(packed).unpack(folder)
        return run_build(build, progress, Unwanted()), build.rknn.read_bytes()


class Cluster:
    """Runs builds on the workers of a Dask scheduler (:class:`~rknn_zoo_e2e.conversion.executor.Executor`)."""

    def __init__(self, client: Client, address: str, jobs: int) -> None:
        self.client, self.address = client, address
        self.width = max(jobs, sum(client.nthreads().values()))
        self.ahead = 2 * self.width  # so that no worker waits for our own preparation
        self.topic = f"e2erknn-{uuid4().hex}"
        self.followers: dict[str, Progress] = {}
        client.subscribe_topic(self.topic, self._on_event)

    def _on_event(self, event: tuple[float, tuple[str, str, float]]) -> None:
        key, stage, share = event[1]
        if follower := self.followers.get(key):
            follower(stage, share)

    def check(self) -> None:
        """Raises :class:`UserError` where a worker, or the scheduler, has other versions than this machine."""
        for package in PACKAGES:
            found = self.client.run(metadata.version, package, on_error="return")
            if package == PACKAGES[0]:  # the scheduler unpacks the name of our function
                with suppress(metadata.PackageNotFoundError):
                    found[f"scheduler {self.address}"] = None
                    found[f"scheduler {self.address}"] = self.client.run_on_scheduler(metadata.version, package)
            # Not everything need be installed here, as long as the workers agree.
            expected = version_of(package) or next((v for v in found.values() if isinstance(v, str)), None)
            for where, version in found.items():
                if version != expected or expected is None:
                    has = f"{package} {version}" if isinstance(version, str) else f"no {package}"
                    raise UserError(
                        f"{where} of the cluster has {has}, and {expected or 'one'} is needed.",
                        self.install(package, expected),
                    )

    @staticmethod
    def install(package: str, version: str | None) -> str:
        """What to do on a worker that has not this version of a package."""
        if package == PROJECT:
            return f"Install version {version} there: {install_elsewhere('convert', 'dask')}."
        return f"Install there: pip install {shlex.quote(f'{package}=={version}' if version else package)}"

    def run(self, build: Build, progress: Progress, cancelled: Flag) -> BuildResult:
        """One build on whichever worker is free; on another one if that dies (Dask's ``allowed-failures``).

        Raises:
            UserError: it failed there, several workers died of it, or the cluster is lost.
        """
        key = f"{build.rknn.stem}-{uuid4().hex}"
        self.followers[key] = progress
        progress("send", 0.0)
        packed = pickle.dumps(Parcel.of(build))
        future = self.client.submit(build_parcel, packed, self.topic, key=key, pure=False)
        try:
            result, rknn = self._wait(future, build.rknn.stem, cancelled)
        finally:
            del self.followers[key]
            with suppress(Exception):  # a cluster that is lost cannot be told
                future.cancel()
        try:
            build.rknn.write_bytes(rknn)
        except OSError as error:
            raise UserError(f"{build.rknn} cannot be written ({error.strerror}).", TMPDIR_ADVICE) from error
        return result

    def _wait(self, future: Any, name: str, cancelled: Flag) -> tuple[BuildResult, bytes]:
        from distributed.scheduler import KilledWorker

        finished = threading.Event()
        future.add_done_callback(lambda _: finished.set())
        seen = time.monotonic()
        while not finished.wait(LOOK_SECONDS if not cancelled.is_set() else 0):
            if cancelled.is_set():
                raise UserError("The build was cancelled.", "Run the same command again.")
            if self.client.status != "running":
                raise self._lost()
            with suppress(OSError, asyncio.TimeoutError):
                if self.client.nthreads():
                    seen = time.monotonic()
            if time.monotonic() - seen > ALONE_SECONDS:
                raise UserError(
                    f"The cluster at {self.address} has had no worker for {ALONE_SECONDS:.0f} s.",
                    f"Start workers with: dask worker {self.address}, and run the same command again.",
                )
        try:
            built: tuple[BuildResult, bytes] = future.result()
            return built
        except KilledWorker as error:
            raise UserError(
                f"{name} was given up: every worker that tried it died (often: out of memory).",
                "Give the workers more memory, or build it without --executor.",
                str(error),
            ) from error
        except (CancelledError, OSError) as error:
            raise self._lost() from error

    def _lost(self) -> UserError:
        return UserError(
            f"The connection to the Dask scheduler at {self.address} was lost.",
            "Start it again, and run the same command again: finished builds are kept.",
        )


@contextmanager
def connected(address: str, jobs: int) -> Iterator[Cluster]:
    """The cluster of the scheduler at ``host:port``.

    Raises:
        UserError: ``distributed`` is not installed, nobody answers, or there is no worker.
    """
    if find_spec("distributed") is None:
        raise UserError(
            "Dask is not installed here, and --executor needs it.",
            f"Install it with: {install('dask')}",
        )
    import dask
    from distributed import Client

    for name in ("distributed", "distributed.client", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what users need to know is in our errors
    dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GiB"})
    try:
        client = Client(f"tcp://{address}", timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(
            f"No Dask scheduler answers at {address}.",
            "Check the address, or start one with: dask scheduler",
        ) from error
    with _closing(client.close):
        try:
            client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except asyncio.TimeoutError:
            raise UserError(
                f"The Dask scheduler at {address} has no workers.", f"Start some with: dask worker {address}"
            ) from None
        yield Cluster(client, address, jobs)


@contextmanager
def _closing(close: Callable[..., None]) -> Iterator[None]:
    try:
        yield
    finally:
        with suppress(OSError, asyncio.TimeoutError):
            close(timeout=CONNECT_SECONDS)
