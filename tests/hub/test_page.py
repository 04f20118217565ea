"""The commands of docs/hub.md, word for word: publish and pull with a Hub on this machine, demo as on a board."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from bundles import SPEC, cli, make
from server import Hub

from rknn_zoo_e2e.publishing.plan import Wishes
from rknn_zoo_e2e.publishing.publish import publish


def typed(command: str, folder: Path, board: str = "") -> str:
    out = cli(*shlex.split(command)[1:], cwd=folder, board=board)
    assert out.returncode == 0, out.stderr
    return out.stdout + out.stderr


@pytest.mark.slow
def test_the_commands_of_the_page(hub: Hub, tmp_path: Path, models: Path):
    bundle = make(tmp_path, "rk3566", "rk3588", spec=replace(SPEC, name="yolov8n"))
    (tmp_path / "image.jpg").write_bytes((models / "sample.jpg").read_bytes())
    shown = typed("e2erknn publish yolov8n_rknn_model --repo me/yolov8n-rknn --dry-run", tmp_path)
    assert "2.3.2/rk3566/int8/yolov8n-rk3566-int8.rknn" in shown and "me/yolov8n-rknn" not in hub.repos
    publish([bundle], "me/yolov8n-rknn", Wishes(draw=False))
    bundle.path.rename(tmp_path / "made")
    typed("e2erknn pull me/yolov8n-rknn --soc rk3566", tmp_path)
    assert (bundle.path / "yolov8n-rk3566-int8.rknn").is_file() and not [*bundle.path.glob("*rk3588*")]
    assert "board" in typed("e2erknn demo image.jpg --model hf:me/yolov8n-rknn", tmp_path, board="rk3566")
