"""Which tests run in one process where there are several: those of a file, for what they share."""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling

TOGETHER = ("tests/cpp/",)  # what is recorded in one file is what the others of the folder play
APART = ("tests/test_shared.py",)  # long, and nothing is shared


class Scheduling(LoadFileScheduling):
    """By file, but for the folders and files above.

    By the names of tests alone: the marks pytest-xdist has for it do nothing since pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        if file in APART:
            return nodeid
        return next((folder for folder in TOGETHER if file.startswith(folder)), file)
