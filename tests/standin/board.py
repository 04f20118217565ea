"""``e2erknn`` as on a board: with this folder's ``rknnlite``, and the SoC that RKNNLITE_STANDIN_SOC names."""

from __future__ import annotations

import os

from rknn_zoo_e2e import cli
from rknn_zoo_e2e.boards import probe

probe.board_soc = lambda *_: os.environ["RKNNLITE_STANDIN_SOC"]
cli.main()
