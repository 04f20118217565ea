"""Earlier formats of ``metadata.yaml``, told in the words of the present one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rknn_zoo_e2e.bundle.model import FORMAT_VERSION
from rknn_zoo_e2e.bundle.schema import LAYOUT


def present(data: dict[str, Any]) -> dict[str, Any] | None:
    """Metadata as the present format has it, as little to be believed as before; None where its format is unknown.

    Raises:
        ValueError: it is not what its own format says.
    """
    version = data.get("format_version")
    if version == FORMAT_VERSION:
        return data
    # Not a look-up alone: a list is no key.
    return EARLIER[version](data) if isinstance(version, int) and version in EARLIER else None


def of_format_3(data: dict[str, Any]) -> dict[str, Any]:
    """One layout for the whole bundle; no word on what the custom strings of its artifacts hold."""
    LAYOUT(layout := data.get("layout"), "layout")
    data = {key: value for key, value in data.items() if key != "layout"} | {"onnx_layout": layout}
    if isinstance(artifacts := data.get("artifacts"), list):
        noted = {"layout": layout, "left_out": None}
        data["artifacts"] = [{**a, **noted} if isinstance(a, dict) else a for a in artifacts]
    return data


EARLIER: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {3: of_format_3}
READABLE = f"{', '.join(map(str, EARLIER))} and {FORMAT_VERSION}"
