"""Loading an Ultralytics checkpoint without running what is in it.

A ``.pt`` file is a pickle, and a pickle can call any function. Ultralytics' own restricted loading needs torch 2.6 and
quietly turns itself off below; rknn-toolkit2 pins torch to 2.4. So the unpickler is restricted here: it knows
the classes a YOLO checkpoint is made of, builds them empty (their constructors are never called: a model's would
evaluate strings of its configuration), and refuses everything else by name.
"""

from __future__ import annotations

import os
import pickle
import types
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import torch
from torch import nn

from rknn_zoo_e2e.errors import UserError

LAYERS = ("torch.nn.modules.", "ultralytics.nn.")  # only nn.Module classes of these
HELPERS = ("ultralytics.utils.loss", "ultralytics.utils.tal")  # classes a training checkpoint drags along
DATA = {
    ("collections", "OrderedDict"), ("collections", "defaultdict"), ("builtins", "set"), ("__builtin__", "set"),
    ("torch", "Size"), ("torch", "device"), ("numpy", "dtype"), ("numpy", "ndarray"),
    ("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar"),
    ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"),
}  # fmt: skip


class UnsafeCheckpoint(Exception):
    """The pickle asks for something a YOLO checkpoint has no need of."""


def safe_getattr(owner: Any, name: str) -> Any:
    """Bound methods such as ``Detect.forward`` are pickled by getattr; nothing else is fetched through it."""
    if isinstance(owner, (type, nn.Module)) and name in {"forward", "forward_fuse"}:
        return getattr(owner, name)
    raise UnsafeCheckpoint(f"getattr(..., {name!r})")


def join_path(*parts: str) -> str:
    """Paths of the machine that trained: text is all they are here."""
    return "/".join(parts)


class RestrictedUnpickler(pickle._Unpickler):  # type: ignore[name-defined]
    """The pure-Python unpickler with calls limited to functions that rebuild data."""

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)  # type: ignore[attr-defined]
    stack: list[Any]

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in {("builtins", "getattr"), ("__builtin__", "getattr")}:
            return safe_getattr
        if module == "torch._utils" and name.startswith("_rebuild_"):
            return getattr(torch._utils, name)
        if module in ("pathlib", "pathlib._local") and name.endswith("Path"):
            return join_path
        if (module, name) in DATA:
            return super().find_class(module, name)
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        if (module, name) in {(m, "IterableSimpleNamespace") for m in ("ultralytics.utils", "ultralytics.yolo.utils")}:
            return super().find_class(module, name)
        if module.startswith(LAYERS) or module in HELPERS:
            found = super().find_class(module, name)
            if isinstance(found, type) and (issubclass(found, nn.Module) or found.__module__ in HELPERS):
                return found
        raise UnsafeCheckpoint(f"{module}.{name}")

    def load_reduce(self) -> None:
        function = self.stack[-2]
        if isinstance(function, type) and function.__module__.startswith(("torch.nn.", "ultralytics.")):
            raise UnsafeCheckpoint(f"a call of {function.__name__}")
        super().load_reduce()  # type: ignore[misc]

    def load_build(self) -> None:
        if isinstance(self.stack[-2], (type, types.FunctionType)):
            raise UnsafeCheckpoint("a change to a class")
        super().load_build()  # type: ignore[misc]

    def _instantiate(self, klass: Any, args: Any) -> None:
        raise UnsafeCheckpoint(f"a call of {klass}")

    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.BUILD[0]] = load_build


def restricted_load(file: Any, map_location: Any = "cpu", **_: Any) -> Any:
    """``torch.load`` through :class:`RestrictedUnpickler`."""
    module = types.ModuleType("restricted_pickle")
    module.Unpickler = RestrictedUnpickler  # type: ignore[attr-defined]
    module.load = lambda f, **kwargs: RestrictedUnpickler(f, **kwargs).load()  # type: ignore[attr-defined]
    return torch.load(file, map_location=map_location, pickle_module=module, weights_only=False)


def load_model(path: Path) -> nn.Module:
    """An Ultralytics model in fp32, fused, its one-to-one head chosen where it has one.

    Raises:
        UserError: no file, not a checkpoint, a damaged one, or one that wants to run code.
    """
    # It must not install packages nor greet on stdout because of a file somebody gave us.
    os.environ.setdefault("YOLO_AUTOINSTALL", "False")
    os.environ.setdefault("YOLO_VERBOSE", "False")
    from ultralytics.nn import tasks

    if not path.is_file():
        raise UserError(f"{path} is not a file.", "Check the path.")
    try:
        with patch.object(tasks, "torch_load", restricted_load):
            model, _ = tasks.load_checkpoint(str(path))
    except UnsafeCheckpoint as error:
        raise UserError(
            f"{path} is not a plain YOLO checkpoint: loading it would run or build {error}.",
            "Do not load it unless you made it; save it again with a current Ultralytics (model.save).",
        ) from None
    except MemoryError as error:
        raise UserError(
            f"There is not enough memory to load {path}.", "Close other programs and run the same command again."
        ) from error
    except Exception as error:  # damaged files surface as almost anything
        raise UserError(
            f"{path} is empty, damaged or not an Ultralytics YOLO checkpoint.",
            "Download or copy it again, or save it with a current Ultralytics.",
            str(error),
        ) from error
    head = model.model[-1]
    if getattr(head, "one2one_cv2", None) is not None:
        head.end2end = True
    model.fuse(verbose=False)
    return model.eval().requires_grad_(False)
