"""Sets up the Hub's own client, and turns its exceptions into errors that say what to do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from rknn_zoo_e2e.boards.environment import version_of
from rknn_zoo_e2e.boards.install import PROJECT, install
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.files.validation import harmless

if TYPE_CHECKING:
    from huggingface_hub import HfApi

READ_TIMEOUT, CONNECT_TIMEOUT = 120.0, 10.0  # s; after 120 without a byte the Hub itself gives up a request
TRY_AGAIN = "Run the same command again in a few minutes."
LOG_IN = "Make a token at https://huggingface.co/settings/tokens, then: hf auth login (or set HF_TOKEN)."
CHECK_NETWORK = "Check the connection and the proxy; HF_ENDPOINT names a mirror."


class Unreachable(UserError):
    """The Hub cannot be reached from here, or must not be (offline mode)."""


class Outdated(UserError):
    """Somebody else committed to the repo since it was read."""


def require_hub(before: str = "") -> None:
    """Raises :class:`UserError`, its first sentence begun by ``before``, where the client is not installed."""
    if find_spec("huggingface_hub") is None:
        raise UserError(f"{before}huggingface_hub is not installed.", f"Install it with: {install('hub')}")


def hub_api() -> HfApi:
    """The client, set up by its own environment variables (HF_TOKEN, HF_ENDPOINT, HF_HOME, HF_HUB_OFFLINE).

    Raises:
        UserError: it is not installed.
    """
    require_hub()
    import httpx2
    from huggingface_hub import HfApi, get_session

    session = get_session()
    if session.timeout == httpx2.Timeout(None):
        # The client's default is none: a server that accepts a connection and then says nothing would block for ever.
        session.timeout = httpx2.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT)

    return HfApi(library_name=PROJECT, library_version=version_of(PROJECT) or "unknown")


def quiet_client() -> None:
    """Makes the client keep its progress bars and its remarks on each retry to itself: we show progress of our own.

    Its own HF_HUB_VERBOSITY brings the remarks back.
    """
    from huggingface_hub.utils import disable_progress_bars, logging

    disable_progress_bars()
    if "HF_HUB_VERBOSITY" not in os.environ:
        logging.set_verbosity_error()


def check_repo_name(repo: str) -> None:
    """Raises :class:`UsageError` where ``repo`` cannot be a repository's name."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo)
        good = repo.count("/") == 1
    except HFValidationError:
        good = False
    if not good:
        raise UsageError(
            f"{repo!r} is not the name of a repo.", "Give owner/name, as in its address on huggingface.co."
        )


@contextmanager
def hub_errors(repo: str) -> Iterator[None]:
    """Turns the client's exceptions about a repo into :class:`UserError`; programming errors stay loud."""
    require_hub()
    import httpx2
    from huggingface_hub.errors import (
        FileMetadataError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        LocalTokenNotFoundError,
    )

    try:
        yield
    except LocalTokenNotFoundError as error:
        raise UserError("There is no Hugging Face token on this machine.", LOG_IN) from error
    except UserError:
        raise
    except Exception as error:
        causes = list(chain(error))
        for cause in causes:
            if isinstance(cause, HfHubHTTPError):
                raise answered(repo, cause) from error
        # OfflineModeIsEnabled is a ConnectionError.
        if any(isinstance(cause, (httpx2.TransportError, ConnectionError)) for cause in causes):
            from huggingface_hub.constants import is_offline_mode

            if is_offline_mode():
                what, fix = "HF_HUB_OFFLINE is set, and what is needed is not in the cache.", "Unset it and try again."
                raise Unreachable(f"{repo}: {what}", fix) from error
            if isinstance(error, LocalEntryNotFoundError):
                raise Unreachable(
                    f"Hugging Face cannot be reached, and {repo} is not in the cache.", CHECK_NETWORK
                ) from error
            raise Unreachable(
                f"Hugging Face cannot be reached, or the connection broke ({repo}).", CHECK_NETWORK
            ) from error
        if any(isinstance(cause, FileMetadataError) for cause in causes):
            what = f"What answers in place of Hugging Face is no Hub, as far as {repo} goes."
            raise UserError(what, "Check HF_ENDPOINT and the proxy.") from error
        if isinstance(error, LocalEntryNotFoundError):
            raise Unreachable(
                f"{repo} is not in the cache, and Hugging Face cannot be reached.", CHECK_NETWORK
            ) from error
        if isinstance(error, OSError) and "Consistency check failed" in str(error):
            raise UserError(f"A file of {repo} arrived incomplete.", TRY_AGAIN) from error
        raise


def chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and what caused it."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def answered(repo: str, error: Any) -> UserError:
    """What an answer of the Hub that is no success means."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    status = error.response.status_code
    if isinstance(error, GatedRepoError):
        return UserError(
            f"{repo} is gated: its owner decides who may fetch it.",
            f"Ask for access at https://huggingface.co/{repo}, and log in with: hf auth login",
        )
    if isinstance(error, RepositoryNotFoundError):
        return UserError(
            f"There is no repo {repo}, or this token may not see it.",
            "Check the name; for a private one log in with: hf auth login (or set HF_TOKEN).",
        )
    if isinstance(error, RevisionNotFoundError):
        return UserError(f"{repo} has no such branch, tag or commit.", f"See https://huggingface.co/{repo}/tree/main.")
    if status == 401:
        return UserError("Hugging Face does not accept the token: it has expired or was revoked.", LOG_IN)
    if status == 403:
        return UserError(
            f"This token may not write to {repo}.", "Use a token with write access, or --pr to propose it."
        )
    if status == 412:
        return Outdated(f"{repo} keeps being changed by somebody else.", "Run the same command again.")
    if status == 429:
        return UserError("Hugging Face had too many requests from here (429).", TRY_AGAIN)
    if status >= 500:
        return UserError(f"Hugging Face has a problem (HTTP {status}).", TRY_AGAIN)
    said = harmless((error.server_message or str(error)).strip().splitlines()[-1], 300)
    return UserError(f"Hugging Face refuses this for {repo} (HTTP {status}: {said}).", "Change it accordingly.")
