"""Where builds run: here, or on a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rknn_zoo_e2e.conversion.build import Build, BuildResult, run_build
from rknn_zoo_e2e.errors import UsageError
from rknn_zoo_e2e.isolation.parent import Flag
from rknn_zoo_e2e.progress import Progress
from rknn_zoo_e2e.toolkit.client import require_toolkit

DASK = "dask://"


class Executor(Protocol):
    """Runs builds, several at once, each called from a thread of its own.

    Attributes:
        width: builds side by side.
        ahead: builds that may be waiting or under way while a further model is prepared here.
    """

    width: int
    ahead: int

    def check(self) -> None:
        """Raises :class:`UserError` where nothing can be built."""
        ...

    def run(self, build: Build, progress: Progress, cancelled: Flag) -> BuildResult:
        """One build, its artifact written to ``build.rknn``; see :func:`~rknn_zoo_e2e.conversion.build.run_build`."""
        ...


class Local:
    """Builds on this machine; the preparation of a model counts as one of the jobs."""

    def __init__(self, jobs: int = 1) -> None:
        self.width = max(1, jobs)
        self.ahead = self.width - 1

    def check(self) -> None:
        """Raises :class:`UserError` where the toolkit is missing."""
        require_toolkit()

    def run(self, build: Build, progress: Progress, cancelled: Flag) -> BuildResult:
        """One build in a process of its own."""
        return run_build(build, progress, cancelled)


@contextmanager
def open_executor(address: str | None, jobs: int) -> Iterator[Executor]:
    """The executor an ``--executor`` argument means.

    Args:
        address: ``dask://host:port``, None for this machine.
        jobs: builds side by side; on a cluster at least so many.

    Raises:
        UserError: it is no such address, or the cluster cannot be used.
    """
    if address is None:
        yield Local(jobs)
        return
    host, _, port = address.removeprefix(DASK).rpartition(":")
    if not address.startswith(DASK) or not host or not port.isdecimal():
        raise UsageError(
            f"{address!r} is not an executor.",
            "Give a Dask scheduler as dask://host:port, or leave --executor out to build here.",
        )
    from rknn_zoo_e2e.conversion.cluster import connected

    with connected(f"{host}:{port}", jobs) as cluster:
        yield cluster
