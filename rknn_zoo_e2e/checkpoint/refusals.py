"""Why a file is not loaded. The text goes on from the file's name: "runs.pt tries to run code ..."."""

from __future__ import annotations

from typing import Any

from rknn_zoo_e2e.checkpoint.stand_ins import is_runnable, title
from rknn_zoo_e2e.files.validation import harmless

MAX_TEXT = 240  # characters of a refusal; names in it come from the file
MAX_CODE = 150  # characters of what a file tries to run
RUNS_CODE = "tries to run code when it is loaded ({})"
ABSURD = "is not made as checkpoints are: {}"


class Refused(Exception):
    """The file is not loaded.

    Attributes:
        what: the rest of a sentence that begins with the file's name, without a full stop.
        fix: what to do about it, a sentence.
        trust: what to do where the user trusts the file's maker, with {flag} in it; "" where trust does not help.
    """

    def __init__(self, what: str, fix: str, trust: str = "") -> None:
        super().__init__(what)
        self.what, self.fix, self.trust = harmless(what, MAX_TEXT), harmless(fix, MAX_TEXT), harmless(trust, MAX_TEXT)


class Unsafe(Refused):
    """The file asks for something no YOLO checkpoint needs."""

    def __init__(self, what: str) -> None:
        trust = "Do not use it; if you made it yourself or trust who did, load it all the same with {flag}."
        super().__init__(what, "Give a checkpoint saved by Ultralytics.", trust)


class RunsCode(Unsafe):
    """Loading the file as torch does would call something."""

    def __init__(self, what: str) -> None:
        super().__init__(RUNS_CODE.format(harmless(what, MAX_CODE)))


class Absurd(Unsafe):
    """No program that saves checkpoints writes such a file."""

    def __init__(self, what: str) -> None:
        super().__init__(ABSURD.format(what))


class Misuse(Unsafe):
    """The pickle calls or changes a thing that may not be; of plain data that is only damage.

    Args:
        what: "a call of" or "a change to".
    """

    def __init__(self, what: str, thing: Any) -> None:
        code, damage = f"{what} {title(thing)}", f"it asks for {what} a {title(thing)}"
        super().__init__(RUNS_CODE.format(harmless(code, MAX_CODE)) if is_runnable(thing) else ABSURD.format(damage))
