"""``e2erknn`` as on a board: with this folder's ``rknnlite``, and the SoC that RKNNLITE_STANDIN_SOC names.

RKNNLITE_STANDIN_ROOT names the folder that holds the board's /proc and /sys, where they are asked for.
"""

from __future__ import annotations

import os
from pathlib import Path

from rknn_zoo_e2e import cli
from rknn_zoo_e2e.boards import probe

probe.board_soc = lambda *_: os.environ["RKNNLITE_STANDIN_SOC"]
probe.ROOT = Path(os.environ.get("RKNNLITE_STANDIN_ROOT", "/"))
cli.main()
