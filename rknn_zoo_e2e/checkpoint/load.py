"""Loading an Ultralytics checkpoint without running what is in it, unless the user trusts it.

Ultralytics' own restricted loading needs torch 2.6 and quietly turns itself off below; rknn-toolkit2 pins torch to 2.4.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest.mock import patch

from torch import nn

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.checkpoint.unpickler import UnsafeCheckpoint, absurd
from rknn_zoo_e2e.checkpoint.archive import read_checkpoint

TRUST = "--trust-checkpoint"
KEYS = ("ema", "model", "train_args")  # all that is used; of "modelopt" Ultralytics would run a program


def load_model(path: Path, trusted: bool = False) -> nn.Module:
    """An Ultralytics model in fp32, fused, its one-to-one head chosen where it has one.

    Args:
        trusted: load it as torch does, running whatever it asks for.

    Raises:
        UserError: no file, not a checkpoint, a damaged one, or one that wants to run code.
    """
    if not path.is_file():
        raise UserError(f"{path} is not a file.", "Check the path.")
    try:
        model = load_unfused(path, trusted)
        head = model.model[-1]
        if getattr(head, "one2one_cv2", None) is not None:
            head.end2end = True
        model.fuse(verbose=False)
        return model.eval().requires_grad_(False)
    except UnsafeCheckpoint as error:
        raise UserError(
            f"{path} {error}.",
            f"Do not use it; if you made it yourself or trust who did, load it all the same with {TRUST}.",
        ) from None
    except MemoryError as error:
        raise UserError(
            f"There is not enough memory to load {path}.", "Close other programs and run the same command again."
        ) from error
    except ModuleNotFoundError as error:
        raise UserError(
            f"{path} needs the Python module {error.name}, which is not installed.", "Install it, or set PYTHONPATH."
        ) from error
    except Exception as error:  # damaged files surface as almost anything
        raise UserError(
            f"{path} is empty, damaged or not an Ultralytics YOLO checkpoint.",
            "Download or copy it again, or save it with a current Ultralytics.",
            str(error),
        ) from error


def load_unfused(path: Path, trusted: bool = False) -> nn.Module:
    """The model as Ultralytics loads it, without advice where it cannot be."""
    # It must not install packages nor greet on stdout because of a file somebody gave us.
    os.environ.setdefault("YOLO_AUTOINSTALL", "False")
    os.environ.setdefault("YOLO_VERBOSE", "False")
    from ultralytics.nn import tasks

    reader = tasks.torch_safe_load if trusted else lambda _: (essentials(path), str(path))
    with patch.object(tasks, "torch_safe_load", reader):
        model, _ = tasks.load_checkpoint(str(path))
    return model


def essentials(path: Path) -> dict[str, Any]:
    """What is used of a checkpoint."""
    content = read_checkpoint(path)
    if type(content) is not dict:
        raise TypeError(f"a {type(content).__name__}, not a checkpoint")
    if content.get("modelopt"):
        raise absurd("it was trained with modelopt's quantisation, which runs a program of its own")
    return {key: content[key] for key in KEYS if content.get(key) is not None}
