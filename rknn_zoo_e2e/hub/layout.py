"""The layout of a repo on the Hub: each folder ``<toolkit>/<soc>/<precision>/`` is a whole bundle of one artifact.

So a board fetches one folder, the copy in the client's cache is a bundle already, and builds for another SoC or with
another toolkit (a board's librknnrt may be too old for the newest) only add folders. Files they share, such as
``model.onnx``, are stored once by the Hub.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rknn_zoo_e2e.boards import probe
from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.bundle.reader import check_file, read_bundle, read_ranges
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.checksum import sha256
from rknn_zoo_e2e.hub.privacy import check_private, without_traces

SUMS = "SHA256SUMS"  # a folder's checksums, in the format of `sha256sum -c`
DO_NOT_USE = "Do not use it; tell its owner."
Content = Path | bytes


def folder_of(artifact: Artifact) -> str:
    """The folder of an artifact's bundle in a repo."""
    return f"{artifact.toolkit}/{artifact.soc}/{artifact.precision}"


def digest(content: Content) -> str:
    """SHA-256 in hex."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    return sha256(content)


def files_to_publish(bundle: Bundle, artifact: Artifact) -> dict[str, Content]:
    """The files a repo gets for an artifact, by path in the repo; the build log without traces of this machine.

    Raises:
        UserError: a file is missing or not the one that was built, or holds something private.
    """
    one = bundle.only(artifact)
    files: dict[str, Content] = {name: check_file(bundle, name, value) for name, value in one.checksums.items()}
    if artifact.calibration:
        read_ranges(bundle, artifact)
    if artifact.log:
        files[artifact.log] = log = without_traces((bundle.path / artifact.log).read_text("utf-8", "replace")).encode()
        one = bundle.only(replace(artifact, log_sha256=digest(log)))
    files |= {name: text.encode() for name, text in one.texts.items()}
    for name, content in files.items():
        check_private(bundle.path / name, content)
    files[SUMS] = sums_text(files).encode()
    return {f"{folder_of(artifact)}/{name}": content for name, content in files.items()}


def files_needed(bundle: Bundle, whole: bool = False) -> list[str]:
    """Names of the files to fetch: on a board only what its NPU runs, unless ``whole``; on other machines all."""
    return bundle.files if whole or not probe.board_soc() else [*bundle.text_names, bundle.artifacts[0].file]


def sums_text(files: Mapping[str, Content]) -> str:
    """The lines of ``SHA256SUMS``."""
    return "".join(f"{digest(content)}  {name}\n" for name, content in sorted(files.items()))


def sums_in(files: Mapping[str, Content]) -> dict[str, str]:
    """SHA-256 by path in the repo, from the ``SHA256SUMS`` among files to publish."""
    found: dict[str, str] = {}
    for path, content in files.items():
        if isinstance(content, bytes) and path.endswith(f"/{SUMS}"):
            found |= {path.removesuffix(SUMS) + name: value for name, value in parsed(content.decode()).items()}
    return found


def parsed(text: str) -> dict[str, str]:
    """Checksums by name, from the lines of ``SHA256SUMS``."""
    return {name: value for value, _, name in (line.partition("  ") for line in text.splitlines())}


def read_folder(path: Path, repo: str) -> Bundle:
    """The bundle of one folder of a repo, as far as its metadata goes.

    Raises:
        UserError: damaged, or not what its place in the repo says.
    """
    place = "/".join(path.parts[-3:])
    try:
        bundle = read_bundle(path)
    except UserError as error:
        raise UserError(error.what.replace(str(path), f"{repo}/{place}"), DO_NOT_USE) from error
    if [folder_of(a) for a in bundle.artifacts] != [place]:
        raise UserError(f"{repo} holds something else in {place} than its name says.", DO_NOT_USE)
    return bundle


def read_sums(path: Path) -> dict[str, str]:
    """The checksums of a fetched folder by file name; none where it has no readable ``SHA256SUMS``."""
    try:
        return parsed((path / SUMS).read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        return {}


def damaged_files(bundle: Bundle, repo: str, needed: Sequence[str]) -> list[str]:
    """Names of the files needed of a fetched folder that are missing or do not have their checksum.

    Raises:
        UserError: the repo names no checksum for one of them.
    """
    [artifact] = bundle.artifacts
    sums = read_sums(bundle.path)
    unknown = [name for name in needed if name not in sums]
    if unknown:
        raise UserError(f"{repo} has no checksum for {folder_of(artifact)}/{unknown[0]}.", DO_NOT_USE)
    known = sums | bundle.checksums
    return [
        name
        for name in needed
        if not (path := bundle.path / name).is_file() or not digest(path) == sums[name] == known[name]
    ]
