"""What a name in a pickle (module and attribute) stands for: nothing else is imported and nothing is called.

A name is one of five:
- a *layer* of torch or Ultralytics, which the unpickler makes empty;
- a function that makes *data*, done by :mod:`~rknn_zoo_e2e.checkpoint.functions`;
- a value *nobody reads* (losses, dates, paths), of which nothing is kept;
- a class that is *not known*, of which only the name is kept; it is refused where a model needs it;
- *code*: anything else of the standard library, refused wherever it stands.
"""

from __future__ import annotations

import re
import sys
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from importlib import import_module
from typing import Any

import torch
from torch import nn

from rknn_zoo_e2e.checkpoint.functions import FUNCTIONS, method
from rknn_zoo_e2e.checkpoint.refusals import RunsCode
from rknn_zoo_e2e.checkpoint.stand_ins import TYPES, Foreign, Ignored, Options

LAYERS = ("torch.nn.modules.", "ultralytics.nn.modules", "ultralytics.nn.tasks")  # nn.Module classes of these are made
RENAMED = {
    "ultralytics.nn.modules.block.Silence": "torch.nn.modules.linear.Identity",
    "ultralytics.nn.tasks.YOLOv10DetectionModel": "ultralytics.nn.tasks.DetectionModel",
}
# Storage classes of torch that are not called after their dtype.
DTYPES = {"FloatStorage": "float32", "ByteStorage": "uint8", "CharStorage": "int8"}
# What training leaves behind and people keep beside a model: nothing here needs it.
LEFTOVERS = re.compile(
    r"ultralytics\.(utils|yolo(?!\.engine\.model))\.([\w.]+\.)?(v\d+)?[A-Z]\w*|"
    r"datetime\.\w+|decimal\.Decimal|fractions\.Fraction|uuid\.(UUID|SafeUUID)|zoneinfo\.ZoneInfo(\._unpickle)?|"
    r"pathlib\.([\w.]+\.)?\w*Path|collections\.(defaultdict|deque|Counter)|time\.struct_time|re\._compile|"
    r"ipaddress\.\w+|typing\.\w+|enum\.\w+|array\.(array|_array_reconstructor)|builtins\.(complex|bytearray|slice|x?range)|"
    r"numpy\.(ndarray|random\._pickle\.__\w+_ctor|_?core\.(multiarray\._reconstruct|numeric\._frombuffer))|"
    r"pandas\.(_libs|core\.(frame|series|indexes|internals|arrays|dtypes))\.[\w.]+"
)
# Options kept as objects: what they were set to is read where a dictionary would be.
OPTIONS = re.compile(r"argparse\.Namespace|types\.SimpleNamespace|ultralytics\.(\w+\.)?utils\.IterableSimpleNamespace")


def find_global(module: str, name: str) -> Any:
    """What stands for a name in a pickle: a layer's class, a dtype, a function of ours, or a stand-in.

    Raises:
        RunsCode: it is the standard library's and no value, or a method of a layer.
    """
    full = RENAMED.get(f"{module}.{name}", f"{module}.{name}")
    module, _, name = full.rpartition(".")
    if module == "torch":
        found = getattr(torch, DTYPES.get(name, name.removesuffix("Storage").lower()), None)
        return found if isinstance(found, torch.dtype) else stand_in(full)
    if not module.startswith(LAYERS):
        return stand_in(full)
    if owner := layer(*module.rpartition(".")[::2]):  # a method, as protocol 4 writes getattr(owner, name)
        return method(owner, name)
    return layer(module, name) or Foreign(full)


def layer(module: str, name: str) -> type[nn.Module] | None:
    """A class of torch's or Ultralytics' layers; None if the ones installed here have none of that name.

    Args:
        module: begins with one of :data:`LAYERS`, or is a package above one; no other is imported.
    """
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError):  # of a newer release, or of somebody's fork
        return None
    known = isinstance(found, type) and issubclass(found, nn.Module) and found.__module__.startswith(LAYERS)
    return found if known else None


def stand_in(full: str) -> Any:
    """What stands for a name that is no layer.

    Raises:
        RunsCode: it is the standard library's and no value.
    """
    module, _, name = full.rpartition(".")
    module, name = NAME_MAPPING.get((module, name), (module, name))  # protocol 2 names things as Python 2 did
    full = f"{IMPORT_MAPPING.get(module, module)}.{name}"
    if full in FUNCTIONS:
        return FUNCTIONS[full]
    if OPTIONS.fullmatch(full):
        return Options
    if LEFTOVERS.fullmatch(full):
        return Ignored
    if full.split(".")[0] in sys.stdlib_module_names and not TYPES.fullmatch(full):
        raise RunsCode(full)
    return Foreign(full)
