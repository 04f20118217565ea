"""Downloads a file of Ultralytics' releases into our cache, and resumes a download that was cut off."""

from __future__ import annotations

import hashlib
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import get_session
from huggingface_hub.errors import HTTPError, OfflineModeIsEnabled
from huggingface_hub.file_download import http_get
from tqdm.auto import tqdm

from rknn_zoo_e2e.files.checksum import sha256
from rknn_zoo_e2e.progress import Progress
from rknn_zoo_e2e.zoo.cards import ReleaseFile
from rknn_zoo_e2e.zoo.fetch import records
from rknn_zoo_e2e.zoo.fetch.faults import NotThere, Unreachable, differs

BASE_VARIABLE = "E2ERKNN_RELEASES"  # where the releases are, for a mirror
RELEASES = "https://github.com/ultralytics/assets/releases/download"
ANSWER_TIMEOUT = 10  # s, for a source's first answer
Known = tuple[str | None, str]
MAX_FILE_BYTES = 4 << 30  # of a download; yolov8x has 0.14 GB


@dataclass(frozen=True)
class Got:
    """A downloaded file: its path, its SHA-256, and its commit if the source has commits."""

    path: Path
    sha256: str
    revision: str | None = None


def bar(progress: Progress) -> type[tqdm]:
    """A tqdm for the Hub's client that draws nothing and tells ``progress`` the share done."""

    class Bar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            super().__init__(*args, **{**kwargs, "disable": True})

        def update(self, n: float | None = 1) -> None:
            self.n += n or 0
            if self.total:
                progress("fetch", min(1.0, self.n / self.total))

    return Bar


def from_release(file: ReleaseFile, name: str, known: Known, revision: str | None, progress: Progress) -> Got:
    """Downloads a release's file into our cache folder.

    Args:
        known: the sha256 it must have (None if unknown), and a phrase that says where that is from.
        revision: not used, a release has none.

    Raises:
        NotThere, Unreachable: this source cannot serve it.
        UserError: it is not what was fetched the first time.
    """
    base = os.environ.get(BASE_VARIABLE) or RELEASES
    url = f"{base.rstrip('/')}/{file.tag}/{file.file}"
    try:
        answer = get_session().head(url, follow_redirects=True, timeout=ANSWER_TIMEOUT)
    except (HTTPError, OfflineModeIsEnabled) as error:
        raise Unreachable(f"{base} does not answer") from error
    if answer.status_code == 404:
        raise NotThere(f"{url} does not exist")
    if answer.status_code >= 400:
        raise Unreachable(f"{base} answers {answer.status_code}")
    # Named after the file's ETag and length, so that a part of another version is never continued.
    stamp = answer.headers.get("etag", "") + answer.headers.get("content-length", "")
    part = records.folder() / f".{file.file}.{hashlib.sha256(stamp.encode()).hexdigest()[:8]}.part"
    size = int(answer.headers["content-length"]) if "content-length" in answer.headers else None
    if size is not None and size > MAX_FILE_BYTES:
        raise Unreachable(f"{base} offers {size:,} bytes as {file.file}")
    if size is None or (part.exists() and part.stat().st_size > size):
        part.unlink(missing_ok=True)
    try:
        with part.open("ab") as target:
            resumed = target.tell()
            http_get(url, target, resume_size=resumed, expected_size=size, tqdm_class=bar(progress))
    except (HTTPError, OfflineModeIsEnabled) as error:
        raise Unreachable(f"{base} stopped answering (what came is kept, and continued next time)") from error
    except OSError as error:
        if error.errno is not None:
            raise
        part.unlink()  # complete, but of another size than announced
        raise Unreachable(f"{base} sent a file of another size than it said") from error
    if not zipfile.is_zipfile(
        part
    ):  # checkpoints and sets are zips; a log-in page of a network is not, and must not be recorded
        part.unlink()
        raise Unreachable(f"{base} sent something else than {file.file}")
    digest = sha256(part)
    expected, whose = known
    if expected and digest != expected:
        part.unlink()
        raise differs(name, url, digest, expected, whose)
    path = records.folder() / file.file
    os.replace(part, path)
    return Got(path, digest)
