"""The vendor's own librknnrt takes what we write and how we call it: below it is a pretended driver, so that nothing is
computed. ``bash scripts/test_cpp.sh --rest`` runs this under emulation with the library of PyPI's package rknpu."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from native import RUNNER
from support.cli import run as e2erknn

TASKS = ("detect", "pose", "segment", "obb")
VENDOR = os.environ.get("E2ERKNN_VENDOR_RKNNRT")
pytestmark = pytest.mark.skipif(not VENDOR, reason="E2ERKNN_VENDOR_RKNNRT names no librknnrt of the vendor")


@pytest.fixture
def run(built: Path):
    """Runs a program on the NPU of those letters; returns it and how many jobs its driver was given."""

    def call(program: str, *args: object, npu: str = "") -> tuple[subprocess.CompletedProcess[str], int]:
        env = dict(os.environ, E2ERKNN_RKNNRT=str(VENDOR), E2ERKNN_NPU=npu)
        env["LD_PRELOAD"] = str(built / "tests" / "libdriver.so")
        command = [*RUNNER, built / program, *map(str, args)]
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=300)
        told = re.search(r"^driver: (\d+) jobs, (\d+) memories left$", done.stderr, re.MULTILINE)
        assert told and told[2] == "0", done.stderr
        return done, int(told[1])

    return call


@pytest.fixture(scope="module")
def grid(tmp_path_factory) -> Path:
    """A model for rk3588 whose outputs are read in blocks."""
    folder = tmp_path_factory.mktemp("grid")
    out = e2erknn("convert", "shapes", "--soc", "rk3588", "--layout", "grid", "--calib-images", 8, cwd=folder)
    assert out.returncode == 0, out.stderr
    return next(folder.glob("*/*.rknn"))


@pytest.mark.parametrize("task", TASKS)
def test_it_opens_and_runs_a_model_of_each_task(run, simulated, task):
    """Two runs are twice the jobs of one, and an NPU that computes nothing finds nothing."""
    one, jobs = simulated[task], []
    for times in (1, 2):
        done, given = run("app/e2erknn-run", one.model, one.pictures[0], "--repeat", times, "--json")
        assert done.returncode == 0, done.stderr
        assert [image["detections"] for image in json.loads(done.stdout)["images"]] == [[]]
        jobs.append(given)
    assert jobs[1] == 2 * jobs[0] > 0


def test_it_runs_a_grid_on_three_contexts_of_two_cores(run, grid, tmp_path):
    (tmp_path / "input.bin").write_bytes(bytes(320 * 320 * 3))
    done, jobs = run("tests/clones", grid, tmp_path / "input.bin", npu="FIRE")
    assert done.returncode == 0 and done.stdout.split() == ["0"] * 3, done.stderr
    assert jobs >= 3


def test_a_model_for_another_chip_is_told(run, simulated):
    one = simulated["detect"]
    done, jobs = run("app/e2erknn-run", one.model, one.pictures[0], npu="FIRE")
    assert done.returncode == 1 and jobs == 0
    assert "Error: The NPU's runtime cannot open the model" in done.stderr
    assert "Build it for this board with: e2erknn convert MODEL --soc SOC" in done.stderr
