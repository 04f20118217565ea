"""Picks out of a checkpoint what is used: its model and its training options (the input size)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from rknn_zoo_e2e.checkpoint.archive import read_archive
from rknn_zoo_e2e.checkpoint.audit import audit
from rknn_zoo_e2e.checkpoint.kinds import GIVE_ULTRALYTICS, SAVE_WHOLE_MODEL
from rknn_zoo_e2e.checkpoint.origins import NeedsClass
from rknn_zoo_e2e.checkpoint.refusals import Refused, Unsafe
from rknn_zoo_e2e.checkpoint.stand_ins import Foreign, Ignored, Options

MODELS = ("ema", "model")  # keys in order of preference; Ultralytics prefers the averaged weights (ema), too
STATES = (
    *MODELS,
    "state_dict",
    "model_state_dict",
    "weights",
    "net",
    "params",
)  # keys where weights without layers are kept


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint as Ultralytics takes it, loaded as data and audited; values nobody uses are dropped.

    Raises:
        Refused: it holds no model, or something a YOLO checkpoint has no need of.
        Exception: almost any, where it is damaged.
    """
    content = read_archive(path)
    used = candidate(content)
    if isinstance(used, nn.Module):
        drop_unread(used)
    audit(content, used)
    return as_ultralytics(content)


def candidate(content: Any) -> Any:
    """The model of a checkpoint, or the stand-in of one that is not known; None if there is none."""
    if not isinstance(content, dict):
        return content
    found = [content[key] for key in MODELS if isinstance(content.get(key), (nn.Module, Foreign))]
    return next((one for one in found if isinstance(one, nn.Module)), found[0] if found else None)


def drop_unread(model: nn.Module) -> None:
    """Removes attributes of unknown classes from the model itself: options and losses, which nobody reads."""
    for name in [name for name, value in model.__dict__.items() if isinstance(value, Foreign)]:
        del model.__dict__[name]


def as_ultralytics(content: Any, whole: bool = False) -> dict[str, Any]:
    """A checkpoint as Ultralytics takes it: ``model`` and ``train_args``.

    Args:
        whole: as torch loaded it; its quantisation of modelopt, a program of its own, is kept.

    Raises:
        Refused: it holds no model of Ultralytics.
    """
    from ultralytics.nn.tasks import BaseModel

    model = candidate(content)
    if isinstance(model, Foreign):
        raise NeedsClass(model.name)
    if isinstance(content, nn.Module):
        fix = 'Save it as a checkpoint: torch.save({"model": model}, "best.pt").'
        raise Refused(f"is a whole module ({type(content).__name__}), as torch.save(model) writes it", fix)
    if model is None:
        raise Refused(*said_without_model(content))
    if not isinstance(model, BaseModel) and not whole:
        raise Refused(f"holds a {type(model).__name__}, not a YOLO model of Ultralytics", GIVE_ULTRALYTICS)
    used = {"model": model, "train_args": options(content.get("train_args"), model)}
    if content.get("modelopt"):
        if not whole:
            raise Unsafe("was trained with modelopt's quantisation, which runs a program of its own")
        used["modelopt"] = content["modelopt"]
    return used


def options(given: Any, model: nn.Module) -> dict[Any, Any]:
    """What the model was trained with; some releases kept it on the model alone."""
    for kept in (given, getattr(model, "args", None)):
        values = kept.values if isinstance(kept, Options) else getattr(kept, "__dict__", kept)
        if isinstance(values, dict) and "imgsz" in values:
            return values
    return {}


def said_without_model(content: Any) -> tuple[str, str]:
    """What a file is that holds no model, and what to do."""
    if not isinstance(content, dict):
        return f"holds a {type(content).__name__}, not a model", GIVE_ULTRALYTICS
    if any(map(is_state, [content, *(content.get(key) for key in STATES)])):
        return "holds weights without layers (a state_dict)", SAVE_WHOLE_MODEL
    keys = ", ".join(str(key) for key in list(content)[:5] if not isinstance(key, (Foreign, Ignored)))
    return f"holds no model ({f'only {keys}' if keys else 'nothing at all'})", GIVE_ULTRALYTICS


def is_state(value: Any) -> bool:
    """Whether it is a mapping of names to tensors."""
    return isinstance(value, dict) and bool(value) and all(isinstance(one, torch.Tensor) for one in value.values())
