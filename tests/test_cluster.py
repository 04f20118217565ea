"""Builds on a Dask cluster: a scheduler and two workers as processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cli import COMMAND, PATIENCE, run
from support.interrupted import SIX

from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.conversion import cluster
from rknn_zoo_e2e.conversion.build import Build
from rknn_zoo_e2e.conversion.executor import open_executor
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.toolkit.job import BuildJob

pytestmark = pytest.mark.slow

distributed = pytest.importorskip("distributed")
QUICK = ("--calib-images", "4")
# A build is tried on a second worker, not on a third.
ENVIRONMENT = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}


def dask(command: str, *args: str, cwd: Path) -> subprocess.Popen:
    code = f"from distributed.cli.dask_{command} import main; main()"
    with (cwd / f"{command}.log").open("a") as log:
        arguments = [sys.executable, "-c", code, *args, "--no-dashboard"]
        return subprocess.Popen(arguments, cwd=cwd, env=ENVIRONMENT, stdout=log, stderr=log)


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory) -> Iterator[str]:
    """``host:port`` of a scheduler without workers."""
    folder = tmp_path_factory.mktemp("scheduler")
    file = folder / "scheduler.json"
    process = dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file), cwd=folder)
    for _ in range(300):
        if file.is_file() and file.read_text().endswith("}"):
            break
        time.sleep(0.1)
    yield json.loads(file.read_text())["address"].removeprefix("tcp://")
    process.terminate()
    process.wait(30)


@pytest.fixture(scope="module")
def workers(scheduler: str, tmp_path_factory) -> Iterator[str]:
    """``dask://host:port`` of the scheduler with two workers of one thread, each minded by a nanny."""
    folder = tmp_path_factory.mktemp("workers")
    args = (f"tcp://{scheduler}", "--nworkers", "1", "--nthreads", "1", "--local-directory", str(folder))
    started = [dask("worker", *args, cwd=folder) for _ in range(2)]
    with distributed.Client(f"tcp://{scheduler}", set_as_default=False) as client:
        client.wait_for_workers(2, timeout=PATIENCE)
    yield f"dask://{scheduler}"
    for process in started:
        process.terminate()
    for process in started:
        process.wait(30)


def refused(address: str, match: str) -> UserError:
    with pytest.raises(UserError, match=match) as caught, open_executor(address, 1) as place:
        place.check()
    return caught.value


def test_addresses_that_mean_nothing():
    for address in ("127.0.0.1:8786", "dask://nowhere", "ray://host:1"):
        with pytest.raises(UsageError, match="is not an executor"), open_executor(address, 1):
            pass


def test_without_the_extra(monkeypatch):
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    assert "[dask]" in refused("dask://127.0.0.1:1", "Dask is not installed").fix


def test_no_scheduler_and_no_workers(monkeypatch, scheduler: str):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1.0)
    assert "dask scheduler" in refused("dask://127.0.0.1:1", "No Dask scheduler answers at 127.0.0.1:1").fix
    assert f"dask worker {scheduler}" in refused(f"dask://{scheduler}", "has no workers").fix


def test_six_builds_are_those_made_here(workers: str, resumed, tmp_path: Path):
    out = run("convert", *SIX, *QUICK, "--executor", workers, "--json", cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    assert not any(document["reused"] for document in json.loads(out.stdout))
    for name in ("shapes_rknn_model", "shapes-pose_rknn_model"):
        here, there = read_bundle(resumed.folder / name), read_bundle(tmp_path / name)
        assert (here.onnx_sha256, here.spec) == (there.onnx_sha256, there.spec)
        for one, other in zip(here.artifacts, there.artifacts, strict=True):
            for key in ("soc", "placement", "parity", "hybrid", "calibration", "fingerprint", "toolkit"):
                assert getattr(one, key) == getattr(other, key), key
            assert abs(one.bytes - other.bytes) < 1000
            assert "/tmp/" not in (there.path / other.log).read_text()


def test_a_killed_worker_costs_only_its_build(workers: str, tmp_path: Path):
    args = ("convert", "shapes", "--soc", "rk3566", "--soc", "rk3588", *QUICK, "--executor", workers)
    process = subprocess.Popen([*COMMAND, *args], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line.endswith("rk3566-int8: prepare\n"):
            break
    with distributed.Client(workers.replace("dask", "tcp"), set_as_default=False) as client:
        busy = {key: address for address, keys in client.processing().items() for key in keys}
        address = next(address for key, address in busy.items() if key.startswith("shapes-rk3566"))
        pid = client.run(os.getpid, workers=[address])[address]
    os.kill(pid, signal.SIGKILL)
    lines += process.communicate(timeout=PATIENCE)[1].splitlines(keepends=True)
    assert process.returncode == 0, lines
    assert sum(line.endswith("rk3566-int8: load\n") for line in lines) == 2
    assert sum(line.endswith("rk3588-int8: load\n") for line in lines) == 1
    artifacts = read_bundle(tmp_path / "shapes_rknn_model").artifacts
    assert [a.soc for a in artifacts] == ["rk3566", "rk3588"] and all(a.parity["passed"] for a in artifacts)


class Deadly:
    """Kills whoever unpickles it."""

    def __reduce__(self):
        return os._exit, (1,)


def bad_build(folder: Path, *checks: object) -> Build:
    """A graph that is none."""
    (folder / "bad.onnx").write_bytes(b"not onnx")
    job = BuildJob(folder / "bad.onnx", "rk3566", "fp16", rknn=folder / "bad.rknn")
    return Build(job, ModelSpec("bad", "detect", ("a",), (32, 32)), checks)  # type: ignore[arg-type]


def test_what_goes_wrong_over_there_is_told_here(workers: str, tmp_path: Path, monkeypatch):
    stages: list[str] = []
    idle = threading.Event()
    with open_executor(workers, 1) as place:
        place.check()
        with pytest.raises(UserError, match="failed in stage 'load'") as caught:
            place.run(bad_build(tmp_path), lambda stage, share: stages.append(stage), idle)
        assert "Traceback" in caught.value.detail and stages[:1] == ["send"]
        with pytest.raises(UserError, match="every worker that tried it died"):
            place.run(bad_build(tmp_path, Deadly()), lambda stage, share: None, idle)
        monkeypatch.setattr(cluster, "version_of", lambda package: "9.9")
        with pytest.raises(UserError, match=r"of the cluster has rknn-zoo-e2e .*, and 9.9 is needed") as caught:
            place.check()
        assert "Install version 9.9 there: pip install" in caught.value.fix and "==" not in caught.value.fix
