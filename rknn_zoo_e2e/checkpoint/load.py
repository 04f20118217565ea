"""Loading an Ultralytics checkpoint without running what is in it, unless the user trusts it.

Ultralytics' own restricted loading needs torch 2.6 and quietly turns itself off below; rknn-toolkit2 pins torch to 2.4.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any
from unittest.mock import patch

from torch import nn

from rknn_zoo_e2e.checkpoint.contents import as_ultralytics, read_checkpoint
from rknn_zoo_e2e.checkpoint.kinds import kind_of
from rknn_zoo_e2e.checkpoint.refusals import Refused
from rknn_zoo_e2e.errors import UserError, first_line

TRUST = "--trust-checkpoint"


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
        if kind := kind_of(path):
            raise UserError(f"{path} {kind.what}.", kind.fix)
        model = load_unfused(path, trusted)
        head = model.model[-1]
        if getattr(head, "one2one_cv2", None) is not None:
            head.end2end = True
        model.fuse(verbose=False)
        return model.eval().requires_grad_(False)
    except UserError:
        raise
    except Refused as refusal:
        raise refused(path, refusal, trusted) from None
    except MemoryError as error:
        raise UserError(
            f"There is not enough memory to load {path}.", "Close other programs and run the same command again."
        ) from error
    except Exception as error:  # damaged files surface as almost anything
        raise failed(path, error, trusted) from error


def refused(path: Path, refusal: Refused, trusted: bool) -> UserError:
    """The refusal in the user's words; trust is spoken of where it was not given and may help."""
    fix = refusal.fix if trusted or not refusal.trust else refusal.trust.replace("{flag}", TRUST)
    return UserError(f"{path} {refusal.what}.", fix)


def failed(path: Path, error: Exception, trusted: bool) -> UserError:
    """What a library's error means. Of a file that is trusted, reading it as data may tell more than the error does."""
    if trusted:
        try:
            read_checkpoint(path)
        except Refused as refusal:
            if not refusal.trust or isinstance(error, (ImportError, AttributeError)):
                return refused(path, refusal, trusted)
        except Exception:  # as unreadable as it is for torch
            return failed(path, error, trusted=False)
        return UserError(
            f"{path} cannot be loaded by the Ultralytics installed here ({first_line(error)[:200]}).",
            "Give a checkpoint that Ultralytics itself loads, or install the release that saved it.",
            f"{type(error).__name__}: {error}",
        )
    return UserError(
        f"{path} is damaged, or no model file.",
        "Download or copy it again, or save it with a current Ultralytics.",
        f"{type(error).__name__}: {error}",
    )


def load_unfused(path: Path, trusted: bool = False) -> nn.Module:
    """The model as Ultralytics loads it, without advice where it cannot be."""
    # It must not install packages nor greet on stdout because of a file somebody gave us.
    os.environ.setdefault("YOLO_AUTOINSTALL", "False")
    os.environ.setdefault("YOLO_VERBOSE", "False")
    from ultralytics.nn import tasks
    from ultralytics.utils import LOGGER

    read = tasks.torch_safe_load

    def reader(_: object) -> tuple[dict[str, Any], str]:
        return as_ultralytics(read(str(path))[0], whole=True) if trusted else read_checkpoint(path), str(path)

    with (
        warnings.catch_warnings(),
        patch.object(LOGGER, "disabled", True),
        patch.object(tasks, "torch_safe_load", reader),
    ):
        warnings.simplefilter("ignore")  # of torch, about the very thing the user asked for
        model, content = tasks.load_checkpoint(str(path))
    model.args = content["train_args"]  # as trained: without the defaults of the Ultralytics installed here
    return model
