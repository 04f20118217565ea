"""What a lone ``.rknn`` says of itself, in the text its format keeps for that; C++ reads it (``cpp/src/spec.cpp``)."""

from __future__ import annotations

import json

from rknn_zoo_e2e.tasks.spec import ModelSpec

LIMIT = 1024  # bytes that the vendor's runtimes hand over, the terminating zero among them


def custom_string(spec: ModelSpec, soc: str, layout: str) -> tuple[str, tuple[str, ...]]:
    """JSON, all of it ASCII: the task, the input and the layout always, names and skeleton as far as there is room.

    Returns:
        The text, and which of "names" (of the classes, one a line) and "skeleton" are not in it: the names go first.
    """
    facts: dict[str, object] = {"soc": soc, "task": spec.task, "imgsz": spec.imgsz, "layout": layout}
    facts |= {"nms_free": spec.nms_free, "kpt_shape": spec.kpt_shape, "classes": len(spec.names)}
    more: dict[str, object] = {"names": "\n".join(spec.names)}
    if spec.skeleton:
        more["skeleton"] = spec.skeleton
    left_out: list[str] = []
    while len(text := json.dumps(facts | more, separators=(",", ":"))) >= LIMIT and more:
        left_out.append(next(iter(more)))
        del more[left_out[-1]]
    return text, tuple(left_out)
