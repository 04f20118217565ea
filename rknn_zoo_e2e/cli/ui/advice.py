"""What users are told of the machine's faults, which may strike anywhere: one table."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from rknn_zoo_e2e.errors import UserError

SHOWN_PATH = 60  # characters of a path that is too long


@dataclass(frozen=True)
class Advice:
    """What is told of one kind of exception.

    Attributes:
        kind: the exception's class.
        what: what is wrong. ``{file}`` is the file's name, ``{path}`` the beginning of it, ``{reason}`` the system's
            word for the fault.
        fix: what to do next.
        errors: the numbers of an ``OSError`` this is meant for, all if there are none.
    """

    kind: type[Exception]
    what: str
    fix: str
    errors: tuple[int, ...] = ()

    def fits(self, error: Exception) -> bool:
        """Whether it is meant for the error."""
        return isinstance(error, self.kind) and (not self.errors or getattr(error, "errno", None) in self.errors)

    def told_of(self, error: Exception) -> UserError:
        """What the user is told of an error that it fits."""
        name = getattr(error, "filename", None)
        file, path = name if isinstance(name, str) else "A file", str(name)[:SHOWN_PATH]
        return UserError(self.what.format(file=file, path=path, reason=getattr(error, "strerror", None)), self.fix)


ADVICE = (
    Advice(MemoryError, "There is not enough memory.", "Close other programs, or give a smaller input."),
    Advice(
        OSError,
        "{file}: {reason}.",
        "Free some space, then run the same command again.",
        (errno.ENOSPC, errno.EDQUOT),
    ),
    Advice(
        OSError,
        "{file}: {reason}.",
        "Put that right, then run the same command again.",
        (errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE),
    ),
    Advice(OSError, "{path}: {reason}.", "Check the path.", (errno.ENAMETOOLONG, errno.ELOOP)),
)


def advice_for(error: Exception) -> UserError | None:
    """What is told of the machine's fault; None where an exception is none."""
    return next((advice.told_of(error) for advice in ADVICE if advice.fits(error)), None)
