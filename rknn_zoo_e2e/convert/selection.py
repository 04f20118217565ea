"""Which models the MODEL arguments of one command mean."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from rknn_zoo_e2e.errors import UsageError
from rknn_zoo_e2e.zoo import catalogue, matching

WILD = "*?["


def select(arguments: Sequence[str]) -> list[str]:
    """Names and paths as they are; a shell pattern becomes the zoo's names it matches, each once.

    Of these only those whose weights are on this machine, if there are any.

    Raises:
        UsageError: a pattern matches nothing.
    """
    found: list[str] = []
    for argument in arguments:
        if not any(c in argument for c in WILD) or Path(argument).suffix == ".pt" or Path(argument).exists():
            found.append(argument)
            continue
        cards = matching(argument)
        if not cards:
            near = difflib.get_close_matches(argument.strip(WILD), catalogue(), 3, 0.5)
            hint = f"Did you mean {' or '.join(near)}? " if near else ""
            raise UsageError(f"{argument!r} matches no model of the zoo.", f"{hint}See the zoo with: e2erknn list")
        found += [card.name for card in cards if card.local_weights()] or [card.name for card in cards]
    return list(dict.fromkeys(found))
