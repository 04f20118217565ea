"""The errors of fetching, with what to do about them."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.zoo.weights import FOLDER_VARIABLE

DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class NotThere(Exception):
    """A source answers but does not have the file. The message names the source."""


class Unreachable(Exception):
    """A source does not answer, or not to the end. The message says which and how."""


def advice(name: str, archive: bool, missed: list[Exception]) -> UserError:
    """The error after the last source failed."""
    from huggingface_hub import is_offline_mode

    own = (
        "give pictures of your own with --calib"
        if archive
        else f"put {name}.pt into the folder {FOLDER_VARIABLE} names"
    )
    if is_offline_mode():
        return UserError(
            f"{name} is not on this machine, and HF_HUB_OFFLINE forbids fetching it.",
            f"Unset HF_HUB_OFFLINE, or {own}.",
        )
    said = "; ".join(str(error) for error in missed)
    if any(isinstance(error, Unreachable) for error in missed):
        return UserError(
            f"{name} could not be fetched: {said}.",
            f"Check the network (HF_ENDPOINT and E2ERKNN_RELEASES name mirrors) and try again, or {own}.",
        )
    return UserError(f"{name} is nowhere to be found: {said}.", f"Check HF_ENDPOINT and E2ERKNN_RELEASES, or {own}.")


def refused(name: str, host: str, status: int) -> UserError:
    """A token was sent and not accepted."""
    return UserError(
        f"{host} refused the token while fetching {name} ({status}).",
        "Correct or unset HF_TOKEN, or log in again with: hf auth login",
    )


def differs(name: str, source: str, actual: str, expected: str, whose: str) -> UserError:
    """A download is not what it should be; it was not kept."""
    return UserError(
        f"{name} from {source} has sha256 {actual[:12]}... instead of {expected[:12]}..., {whose}; it was not kept.",
        f"Try again with: e2erknn fetch {name}, and if it stays so, do not trust that source.",
    )


@contextmanager
def disk_faults(name: str) -> Iterator[None]:
    """Turns errors of the file system into advice."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        what = "the disk is full" if error.errno in DISK_FULL else f"{error.filename or 'the cache'}: {error.strerror}"
        raise UserError(
            f"{name} could not be kept: {what}.",
            "Free some space or correct the folder's rights, or name another with HF_HOME and XDG_CACHE_HOME.",
        ) from error
