"""YAML files as plain data: read within limits, for files anybody may have written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

MAX_DEPTH = 12  # of lists and mappings within each other


class _Loader(yaml.CSafeLoader):
    def flatten_mapping(self, node: Any) -> None:
        """Merge keys (<<) are not followed: a few nested ones would grow a small file to any size."""


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def read_yaml(path: Path, largest: int) -> Any:
    """The content of a YAML file that may be hostile: plain data without tags of Python, without anchors.

    Args:
        largest: size of the file, bytes, above which it is refused.

    Raises:
        ValueError: it is too large or nested too deeply, not UTF-8, or has tags or anchors.
    """
    with path.open("rb") as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise ValueError(f"more than {largest:,} bytes")
    try:
        data = yaml.load(content.decode("utf-8"), _Loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())[:200]) from error
    seen: set[int] = set()

    def plain(value: Any, depth: int) -> None:
        if isinstance(value, (dict, list)):
            if id(value) in seen or depth > MAX_DEPTH:
                raise ValueError("anchors, or lists within lists within lists")
            seen.add(id(value))
            for inner in [*value, *value.values()] if isinstance(value, dict) else value:
                plain(inner, depth + 1)

    plain(data, 0)
    return data


def write_yaml(data: Any) -> str:
    """A document as text that :func:`read_yaml` reads back."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
