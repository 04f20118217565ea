"""Why a file is not loaded. The text goes on from the file's name: "runs.pt tries to run code ..."."""

from __future__ import annotations

from rknn_zoo_e2e.files.validation import harmless

LONGEST = 240  # characters of a refusal; names in it are the file's


class Refused(Exception):
    """It is not loaded.

    Attributes:
        what: the rest of a sentence that begins with the file's name, without a full stop.
        fix: what to do about it, a sentence.
        trust: what to do where the user trusts the file's maker, with {flag} in it; "" where trust does not help.
    """

    def __init__(self, what: str, fix: str, trust: str = "") -> None:
        super().__init__(what)
        self.what, self.fix, self.trust = harmless(what, LONGEST), harmless(fix, LONGEST), harmless(trust, LONGEST)


class Unsafe(Refused):
    """It asks for something no YOLO checkpoint has need of."""

    def __init__(self, what: str) -> None:
        trust = "Do not use it; if you made it yourself or trust who did, load it all the same with {flag}."
        super().__init__(what, "Give a checkpoint saved by Ultralytics.", trust)


class RunsCode(Unsafe):
    """Loading it as torch does would call something."""

    def __init__(self, what: str) -> None:
        super().__init__(f"tries to run code when it is loaded ({harmless(what, 150)})")


class Absurd(Unsafe):
    """No program that saves checkpoints writes such a file."""

    def __init__(self, what: str) -> None:
        super().__init__(f"is not made as checkpoints are: {what}")
