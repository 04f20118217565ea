"""Fetches a published bundle: one SoC's folder, through the Hub client's cache, its checksums compared."""

from __future__ import annotations

import glob
import shlex
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from packaging.version import Version

from rknn_zoo_e2e.boards import probe
from rknn_zoo_e2e.boards.environment import release
from rknn_zoo_e2e.boards.soc import find_soc
from rknn_zoo_e2e.bundle.model import METADATA, SUFFIX, Bundle
from rknn_zoo_e2e.bundle.writer import link_or_copy
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.files.checksum import sha256
from rknn_zoo_e2e.files.lock import locked
from rknn_zoo_e2e.files.staging import staged
from rknn_zoo_e2e.hub.client import Unreachable, check_repo_name, hub_api, hub_errors, quiet_client, require_hub
from rknn_zoo_e2e.hub.layout import DO_NOT_USE, SUMS, damaged_files, files_needed, folder_of, read_folder, read_sums
from rknn_zoo_e2e.hub.listing import check_sizes
from rknn_zoo_e2e.progress import Progress, silent

PREFIX = "hf:"


def parse(model: str) -> tuple[str, str | None]:
    """``hf:owner/name[@revision]`` to the repo's name and the revision, None for its main branch."""
    repo, _, revision = model.removeprefix(PREFIX).partition("@")
    require_hub()
    check_repo_name(repo)
    return repo, revision or None


def download(repo: str, revision: str | None, patterns: Iterable[str], force: bool = False) -> Path:
    """Downloads the files of a repo that match patterns; returns the folder of the client's cache that holds them.

    Offline the folder holds what was cached before.

    Raises:
        UserError: no such repo, no network and not cached, a path that leaves the folder, or a file of absurd size.
    """
    allowed = list(patterns)
    with suppress(Unreachable):  # offline: what is cached was checked when it was downloaded
        check_sizes(repo, revision, allowed)
    with hub_errors(repo):
        try:
            return Path(
                hub_api().snapshot_download(repo, revision=revision, allow_patterns=allowed, force_download=force)
            )
        except ValueError as error:
            if not str(error).startswith(("Invalid filename", "Invalid pointer path")):
                raise
            raise UserError(f"{repo} names files outside itself.", DO_NOT_USE) from error


def read_repo(repo: str, revision: str | None, more: Iterable[str] = ()) -> list[Bundle]:
    """All bundles of a repo; only their metadata and the files that match ``more`` are downloaded."""
    snapshot = download(repo, revision, [f"*/*/*/{name}" for name in (METADATA, SUMS, *more)])
    places = sorted(path.parent for path in snapshot.glob(f"*/*/*/{METADATA}"))
    damaged = [path for path in places if read_sums(path).get(METADATA) != sha256(path / METADATA)]
    if damaged:
        again(
            repo,
            snapshot.name,
            [f"{'/'.join(path.parts[-3:])}/{name}" for path in damaged for name in (METADATA, SUMS)],
        )
        for path in damaged:
            if read_sums(path).get(METADATA) != sha256(path / METADATA):
                raise differs(repo, f"{'/'.join(path.parts[-3:])}/{METADATA}")
    return [read_folder(path, repo) for path in places]


def again(repo: str, commit: str, files: Iterable[str]) -> None:
    """Downloads files anew, in case only the cache's copy is damaged; offline they stay as they are."""
    with suppress(Unreachable, ValueError):  # ValueError: offline, the client does not try
        download(repo, commit, [glob.escape(file) for file in files], force=True)


def differs(repo: str, file: str) -> UserError:
    """The error for a file whose checksum is not the published one."""
    return UserError(
        f"{repo}: {file} is not the file that was published (its checksum differs).",
        "Do not use it; try again later, and tell its owner if it stays so.",
    )


def choose(bundles: list[Bundle], repo: str, soc: str | None, precision: str | None) -> Bundle:
    """The bundle to fetch: for the SoC asked for or this board's; int8 before fp16; by the newest toolkit it can load.

    Raises:
        UserError: there is none.
        UsageError: the SoC is left open, this is no board, and there are several.
    """
    held = list(dict.fromkeys(f"{b.artifacts[0].soc} {b.artifacts[0].precision}" for b in bundles))
    if not bundles:
        raise UserError(
            f"{repo} holds no bundle of this format.",
            "Give a repo that e2erknn publish made, or convert the model itself: e2erknn convert MODEL --soc rk3566",
        )
    board = probe.board_soc() if soc is None else None
    wanted = find_soc(soc).name if soc else board
    if wanted is None and len({b.artifacts[0].soc for b in bundles}) > 1:
        example = bundles[0].artifacts[0].soc
        raise UsageError(f"{repo} holds {', '.join(held)}.", f"Say which SoC you mean, for example: --soc {example}")
    fitting = [b for b in bundles if wanted in (None, b.artifacts[0].soc)]
    fitting = fitting or [b for b in bundles if board and probe.runs_on(b.artifacts[0].soc, board)]
    fitting = [b for b in fitting if precision in (None, b.artifacts[0].precision)]
    if not fitting:
        what = " ".join(filter(None, (wanted, precision)))
        raise UserError(
            f"{repo} holds nothing for {what} (it holds {', '.join(held)}).",
            f"Build it with: e2erknn convert {shlex.quote(bundles[0].spec.name)} --soc {wanted or held[0].split()[0]}",
        )
    return max(fitting, key=preference)


def preference(bundle: Bundle) -> tuple[bool, bool, Version]:
    """A key that sorts the bundle to prefer last: INT8, loadable by this board's librknnrt, newest toolkit."""
    [artifact] = bundle.artifacts
    version, loadable = release(artifact.toolkit), runtime_version()
    return artifact.precision == "int8", loadable is None or version <= loadable, version


def runtime_version() -> Version | None:
    """The version of this board's librknnrt, which loads files of its own toolkit and older; None if unknown."""
    board = probe.read_board() if probe.board_soc() else None
    return release(board.library_version) if board and board.library_version else None


def fetch(
    repo: str,
    revision: str | None = None,
    soc: str | None = None,
    precision: str | None = None,
    progress: Progress = silent,
    whole: bool = False,
) -> Bundle:
    """A published bundle in the client's cache, every file compared with its checksum; on a board only what it runs.

    Args:
        repo: owner/name.
        revision: branch, tag or commit; main by default.
        soc: by default this board's, else the only one there is.
        precision: int8 if there is, by default.
        progress: told of the stages.
        whole: on a board, too, all of it: what ONNX Runtime and the simulator need.

    Raises:
        UserError: no such repo, no network and not cached, nothing for that SoC, or a checksum differs.
    """
    quiet_client()
    progress("look", 0.0)
    bundle = choose(read_repo(repo, revision), repo, soc, precision)
    place, commit = folder_of(bundle.artifacts[0]), bundle.path.parents[2].name
    needed = files_needed(bundle, whole)
    progress("fetch", 0.0)
    download(repo, commit, [f"{place}/{glob.escape(name)}" for name in (*needed, SUMS)])
    progress("check", 0.0)
    damaged = damaged_files(bundle, repo, needed)
    if damaged:
        again(repo, commit, [f"{place}/{name}" for name in damaged])
        damaged = damaged_files(bundle, repo, needed)
    if damaged:
        raise differs(repo, f"{place}/{damaged[0]}")
    return bundle


def pull(
    bundle: Bundle,
    out: Path = Path(),
    overwrite: bool = False,
    say: Callable[[str], None] = lambda text: None,
    whole: bool = False,
) -> tuple[Path, bool]:
    """Puts a fetched bundle into a folder, in one step.

    Args:
        bundle: from :func:`fetch`.
        out: the folder it goes into.
        overwrite: replace what is there.
        say: told if another process is changing it, which is waited for.
        whole: as it was fetched.

    Returns:
        Its path, and whether anything was written: False where the very same is there already.

    Raises:
        UserError: something else is there, or it cannot be written.
    """
    target, needed = out / f"{bundle.spec.name}{SUFFIX}", files_needed(bundle, whole)
    if Path(bundle.spec.name).name != bundle.spec.name:
        raise UserError(f"The bundle's name {bundle.spec.name!r} leaves the folder.", DO_NOT_USE)
    if not overwrite and holds(target, bundle, needed):  # before the lock: nothing is written, and perhaps cannot be
        return target, False
    with locked(target, "pull", say):
        kept: list[str] = []
        if target.exists() and not overwrite:
            if holds(target, bundle, needed):  # now it is
                return target, False
            if not is_part(target, bundle):
                what = f"{target} is there and holds something else."
                raise UserError(what, "Give another folder with -o, or --overwrite.")
            kept = [path.name for path in target.iterdir() if path.name not in needed]
        with staged(target) as stage:
            for name in needed:
                shutil.copyfile(bundle.path / name, stage / name)
            for name in kept:
                link_or_copy(target / name, stage / name)
    return target, True


def holds(folder: Path, bundle: Bundle, names: Iterable[str]) -> bool:
    """Whether a folder holds these files of a fetched bundle, byte for byte."""
    pairs = ((bundle.path / name, folder / name) for name in names)
    return all(copy.is_file() and copy.read_bytes() == original.read_bytes() for original, copy in pairs)


def is_part(folder: Path, bundle: Bundle) -> bool:
    """Whether a folder holds nothing but files of a fetched bundle, such as what a board had fetched of it."""
    if not folder.is_dir() or not holds(folder, bundle, bundle.text_names):
        return False
    others = [path for path in folder.iterdir() if path.name not in bundle.text_names]
    return all(path.is_file() and bundle.checksums.get(path.name) == sha256(path) for path in others)
