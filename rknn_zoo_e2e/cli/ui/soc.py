"""The SoC that --soc means."""

from __future__ import annotations

from rknn_zoo_e2e.boards.soc import find_soc
from rknn_zoo_e2e.cli.ui.output import Output


def soc_named(name: str | None, output: Output) -> str | None:
    """Its name as it is spelt, None where --soc was not given. Raises :class:`UsageError` for an unknown one."""
    return find_soc(name, output.note).name if name else None
