"""The process of a worker: ``python -m rknn_zoo_e2e.isolation MODULE SOCKET LIFELINE``, as its parent starts it.

The module's ``verbs_of`` takes what tells of stages and gives verb -> what to do with its argument.
"""

from __future__ import annotations

import sys
from importlib import import_module

from rknn_zoo_e2e.isolation.lifeline import die_with
from rknn_zoo_e2e.isolation.worker import serve

_, module, link, line = sys.argv
die_with(int(line))  # first: the module's imports may take seconds
serve(int(link), import_module(module).verbs_of)
