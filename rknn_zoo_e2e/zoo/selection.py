"""Which models the MODEL arguments of one command mean."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rknn_zoo_e2e.errors import UsageError
from rknn_zoo_e2e.zoo import WILD, find_card, is_pattern, matching, nearest


def select(arguments: Sequence[str]) -> list[str]:
    """Paths as they are, names as the zoo spells them; a shell pattern becomes all names it matches, each once.

    Raises:
        UsageError: a pattern matches nothing.
    """
    found: list[str] = []
    for argument in arguments:
        if not is_pattern(argument) or Path(argument).suffix == ".pt" or os.path.exists(argument):
            card = None if os.path.exists(argument) else find_card(argument)
            found.append(card.name if card else argument)
            continue
        cards = matching(argument)
        if not cards:
            raise UsageError(f"{argument!r} matches no model of the zoo.", nearest(argument.strip(WILD)))
        found += [card.name for card in cards]
    return list(dict.fromkeys(found))
