"""Fetches checkpoints and calibration sets from Hugging Face, else from Ultralytics' releases, and checks them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.checksum import sha256
from rknn_zoo_e2e.hub.client import require_hub
from rknn_zoo_e2e.zoo.cards import HubFile, ReleaseFile
from rknn_zoo_e2e.zoo.fetch import records
from rknn_zoo_e2e.zoo.fetch.archive import unpack_pictures
from rknn_zoo_e2e.zoo.fetch.faults import NotThere, Unreachable, advice, disk_faults
from rknn_zoo_e2e.zoo.fetch.records import Record

__all__ = ["Asset", "Fetched", "Follow", "cached", "fetch", "fetch_all", "nobody"]

MAX_PARALLEL = 4  # downloads at the same time
Follow = Callable[[str, str, float], None]  # what, its stage, the share (0..1) of it done: ``Progress.stage``


def nobody(what: str, stage: str, share: float = 0.0) -> None:
    """Follows nothing."""


@dataclass(frozen=True)
class Asset:
    """A file or an archive of the zoo that can be fetched.

    Attributes:
        name: what users type.
        file: its name in our cache: a checkpoint's file, or the folder an archive is unpacked into.
        hub, release: its sources, in the order they are tried.
        archive: whether it is a zip of pictures.
        sha256: the checksum it must have, empty where it is not known beforehand.
    """

    name: str
    file: str
    hub: HubFile | None
    release: ReleaseFile | None
    archive: bool = False
    sha256: str = ""

    def is_record(self, record: Record) -> bool:
        """Whether what was fetched is what is asked for now: sources and checksums change as cards do."""
        sources = [source.address for source in (self.hub, self.release) if source]
        return record.source in sources and self.sha256 in ("", record.sha256)


@dataclass(frozen=True)
class Fetched:
    """What :func:`fetch` returns.

    Attributes:
        path: the file, or the folder of a set.
        sha256: of the file, or of the archive the set came in.
        source: ``hf:repository/file``, ``release:tag/file``, or ``shipped``.
        cached: it was on this machine before.
    """

    name: str
    path: Path
    sha256: str
    source: str
    cached: bool


def cached(asset: Asset) -> Path | None:
    """Where an asset was fetched to, None if it is not there."""
    record = records.read(asset.name)
    return record.path if record and record.path.exists() and asset.is_record(record) else None


def fetch(asset: Asset, follow: Follow) -> Fetched:
    """What an asset names, from the cache if it was fetched before.

    It must have the asset's sha256. Where that is not known, that of the first fetch is kept with its source, and
    whatever comes from there later must have it.

    Raises:
        UserError: it cannot be fetched (no network, offline mode, nowhere to be found, a token refused, a full disk),
            or it is not what it must be.
    """
    require_hub(f"{asset.name} cannot be fetched: ")
    with records.locked(asset.name, lambda: follow(asset.name, "wait for another fetch", 0.0)):
        record = records.read(asset.name)
        if record and record.path.exists() and asset.is_record(record):
            if not asset.archive:
                _check_unchanged(asset, record)
            return Fetched(asset.name, record.path, record.sha256, record.source, True)
        follow(asset.name, "fetch", 0.0)
        with disk_faults(asset.name):
            return _download(asset, record or Record(), follow)


def fetch_all(assets: Sequence[Asset], follow: Follow) -> list[Fetched | UserError]:
    """Fetches several assets at the same time; an error of one is returned in its place and does not stop the others.

    The threads are daemons, which an executor's are not, so that Ctrl-C does not wait for a server that has stopped
    answering. Any exception other than a UserError ends all downloads, and is raised here.
    """
    stopped, slots = threading.Event(), threading.Semaphore(MAX_PARALLEL)

    def unless_stopped(what: str, stage: str, share: float = 0.0) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        follow(what, stage, share)

    def one(asset: Asset, future: Future[Fetched | UserError]) -> None:
        try:
            with slots:
                future.set_result(fetch(asset, unless_stopped))
        except UserError as error:
            future.set_result(error)
        except BaseException as error:
            future.set_exception(error)

    futures = [Future[Fetched | UserError]() for _ in assets]
    try:
        for pair in zip(assets, futures, strict=True):
            threading.Thread(target=one, args=pair, daemon=True).start()
        for future in wait(futures, return_when=FIRST_EXCEPTION).done:
            future.result()
    except BaseException:
        stopped.set()
        raise
    return [future.result() for future in futures]


def _check_unchanged(asset: Asset, record: Record) -> None:
    if sha256(record.path) != record.sha256:
        raise UserError(
            f"{record.path} has changed since it was fetched (sha256 {record.sha256[:12]}...).",
            f"Delete {record.path.resolve()} and type: e2erknn fetch {asset.name}",
        )


def _download(asset: Asset, record: Record, follow: Follow) -> Fetched:
    """Downloads an asset from the first source that has it, and records it."""
    # Imported here, so that commands which only look at the catalogue do not load the Hub's client.
    from rknn_zoo_e2e.zoo.fetch.hub import from_hub
    from rknn_zoo_e2e.zoo.fetch.release import from_release

    tries = []
    if asset.hub:
        tries.append((asset.hub.address, partial(from_hub, asset.hub)))
    if asset.release:
        tries.append((asset.release.address, partial(from_release, asset.release)))
    missed: list[Exception] = []
    for source, download in tries:
        first = record.checksums.get(source)
        known = (asset.sha256, "which its card names") if asset.sha256 else (first, "which it had at the first fetch")
        revision = record.revisions.get(source) if first == known[0] else None
        try:
            got = download(asset.name, known, revision, follow)
        except (NotThere, Unreachable) as error:
            missed.append(error)
            continue
        path = got.path
        if asset.archive:
            follow(asset.name, "unpack", 0.0)
            path = unpack_pictures(got.path, records.folder() / asset.file)
        records.write(asset.name, record.updated(path, source, got.sha256, got.revision))
        return Fetched(asset.name, path, got.sha256, source, False)
    raise advice(asset.name, asset.archive, missed)
