"""Downloads a file of a Hugging Face repository into the cache that all tools of the Hub share."""

from __future__ import annotations

import re
from pathlib import Path

from huggingface_hub import (
    constants,
    get_hf_file_metadata,
    get_token,
    hf_hub_download,
    hf_hub_url,
    is_offline_mode,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    HTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from rknn_zoo_e2e.files.checksum import sha256
from rknn_zoo_e2e.progress import Progress
from rknn_zoo_e2e.zoo.cards import HubFile
from rknn_zoo_e2e.zoo.fetch.faults import NotThere, Unreachable, differs, refused
from rknn_zoo_e2e.zoo.fetch.release import ANSWER_TIMEOUT, MAX_FILE_BYTES, Got, Known, bar


def from_hub(file: HubFile, name: str, known: Known, revision: str | None, progress: Progress) -> Got:
    """Downloads a file of the Hub into its own cache.

    Args:
        known: the sha256 it must have (None if unknown), and a phrase that says where that is from.
        revision: commit of the first fetch, which is asked for first, so that a name keeps meaning the same file.

    Raises:
        NotThere, Unreachable: this source cannot serve it.
        UserError: the token was refused, or the file is not what it should be.
    """
    repo = f"{constants.ENDPOINT}/{file.repo}"
    promised = None
    try:
        if not is_offline_mode():
            revision, promised = _look(file, revision)
        had = isinstance(try_to_load_from_cache(file.repo, file.file, revision=revision), str)
        path = Path(hf_hub_download(file.repo, file.file, revision=revision, tqdm_class=bar(progress)))
    except LocalEntryNotFoundError as error:
        raise Unreachable(f"{constants.ENDPOINT} does not answer") from error
    except (EntryNotFoundError, RevisionNotFoundError) as error:
        raise NotThere(f"{repo} has no {file.file}") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403) and get_token():
            raise refused(name, constants.ENDPOINT, status) from error
        if isinstance(error, RepositoryNotFoundError):
            raise NotThere(f"{repo} does not exist") from error
        raise Unreachable(f"{constants.ENDPOINT} answers {status}") from error
    except HTTPError as error:
        raise Unreachable(f"{constants.ENDPOINT} does not answer") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise Unreachable(f"{constants.ENDPOINT} sent a file of another size than it said") from error
    digest = sha256(path)
    for expected, whose in ((promised, "which the Hub has on record"), known):
        if expected and digest != expected:
            if not had:
                # Follow one link only: on some machines the blob is itself a link to a store other tools share.
                blob = path.parent / path.readlink() if path.is_symlink() else path
                blob.unlink()
                path.unlink(missing_ok=True)
            raise differs(name, repo, digest, expected, whose)
    return Got(path, digest, path.parent.name)


def _look(file: HubFile, revision: str | None) -> tuple[str | None, str | None]:
    """Asks for the file's facts before the download, which would retry for half a minute if nobody answers.

    Returns:
        Its commit, and the sha256 the Hub has on record (large files have one; the client compares only sizes).
    """
    url = hf_hub_url(file.repo, file.file, revision=revision)
    try:
        found = get_hf_file_metadata(url, timeout=ANSWER_TIMEOUT)
    except RevisionNotFoundError:
        if revision is None:
            raise
        return _look(file, None)  # history was rewritten: the checksum decides
    if (found.size or 0) > MAX_FILE_BYTES:
        raise Unreachable(f"{constants.ENDPOINT} offers {found.size:,} bytes as {file.file}")
    return found.commit_hash, found.etag if re.fullmatch("[0-9a-f]{64}", found.etag or "") else None
