"""Workers end with their parent *process*, however that ends and whatever they are at, and with nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from program import CASES, Stuck, started
from support.cli import PATIENCE

from rknn_zoo_e2e import load
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.runtime.pool import Pool

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def workers_find_their_module(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]))


def living(pids: list[int]) -> list[int]:
    return [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


def left_of(pids: list[int]) -> list[int]:
    """Those that stay: they sleep for twice that time."""
    deadline = time.monotonic() + PATIENCE
    while living(pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    return living(pids)


@pytest.mark.parametrize("case", CASES)
def test_a_killed_parent_leaves_no_worker(case: str):
    """After SIGKILL nothing stays that was started for it."""
    command = [sys.executable, HERE / "program.py", case]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        victim, *pids = map(int, process.stdout.readline().split())
        try:
            assert living(pids) == pids != []
            os.kill(victim, signal.SIGKILL)
            assert left_of(pids) == []
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            for pid in living(pids):
                os.kill(pid, signal.SIGKILL)


def from_thread(work: Callable[[], object]) -> object:
    """What ``work`` gives in a thread that has ended by then."""
    got: list[object] = []
    thread = threading.Thread(target=lambda: got.append(work()))
    thread.start()
    thread.join()
    return got[0]


def test_the_thread_that_started_it_may_end():
    worker, pid = from_thread(started)
    with worker.left:
        time.sleep(0.5)
        assert [worker.call("pid", None) for _ in range(20)] == [pid] * 20


def test_an_end_that_is_asked_for_takes_everything_along():
    with Stuck() as worker:
        pids = [worker.call("pid", None), *worker.call("start_others", None)]
        assert living(pids) == pids
    assert left_of(pids) == [] and not worker.folder.exists()


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_forked_process_neither_uses_it_nor_ends_it():
    """It may leave the ``with`` block, as a script's forked process does that calls ``sys.exit``."""
    with Stuck() as worker:
        pid = worker.call("pid", None)

        def child() -> bool:
            with pytest.raises(UserError, match=f"belongs to process {os.getppid()}"):
                worker.call("pid", None)
            worker.__exit__()
            return True

        assert in_fork(child) and worker.call("pid", None) == pid
        assert worker.folder.is_dir()


def test_what_cannot_be_sent_is_an_error_at_once():
    with Stuck() as worker:
        with pytest.raises((TypeError, AttributeError), match="pickle"):
            worker.call("pid", threading.Lock())
        assert worker.call("pid", None) > 0


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    from rknn_zoo_e2e.media.synthetic import draw_scene

    return [draw_scene(number, (320, 320))[0] for number in range(20)]


def test_a_simulator_loaded_in_a_thread_that_ends(converted: Path, pictures):
    """Twenty pictures, and no restart."""
    path = converted / "shapes_rknn_model"
    with from_thread(lambda: load(path, backend="simulator")) as predictor:
        [runtime] = predictor._pool.runtimes
        time.sleep(0.5)
        assert [predictor(picture).retried for picture in pictures] == [""] * 20
        assert predictor._pool.runtimes == [runtime]


def test_a_simulator_opened_anew_by_map_stays(converted: Path, pictures):
    """It was opened in a thread of ``map`` that ends with it."""
    with load(converted / "shapes_rknn_model", backend="simulator") as predictor:
        predictor._pool.runtimes[0].toolkit.process.kill()
        said = [result.retried for result in predictor.map(pictures[:4])]
        assert len([words for words in said if "SIGKILL" in words]) >= 1
        [runtime] = predictor._pool.runtimes
        time.sleep(0.5)
        assert [predictor(picture).retried for picture in pictures] == [""] * 20
        assert predictor._pool.runtimes == [runtime]


class Numbered:
    """A runtime that gives the number of its process."""

    backend = "simulator"

    def __init__(self) -> None:
        self.worker, self.pid = started()

    def infer(self, rgb: np.ndarray) -> list[np.ndarray]:
        return [self.worker.call("pid", None)]

    def close(self) -> None:
        self.worker.__exit__()


def in_fork(work: Callable[[], bool]) -> bool:
    """What ``work`` says in a forked process."""
    if not (child := os.fork()):
        try:
            os._exit(0 if work() else 2)
        finally:
            os._exit(1)
    return ended(child) == 0


def test_a_forked_process_opens_its_own_of_a_pool():
    """All of more than may fail in a row, though its parent was using one when it was forked."""
    pool = Pool([Numbered] * 7)
    before = {runtime.pid for runtime in pool.runtimes}

    def child() -> bool:
        pids = set()
        for _ in range(7):
            with pool.lend() as runtime:
                pids |= set(runtime.infer(None))
        pool.close()
        return len(pids) == 7 and not pids & before

    try:
        with pool.lend():
            assert in_fork(child)
        assert living(sorted(before)) == sorted(before) and {r.pid for r in pool.runtimes} == before
    finally:
        pool.close()


@pytest.mark.parametrize("backend", ["simulator", "onnx"])
def test_a_forked_process_loads_its_own_model(converted: Path, pictures, backend: str):
    """As the processes of ``multiprocessing`` do that inherit a predictor."""
    with load(converted / "shapes_rknn_model", backend=backend) as predictor:
        before = predictor(pictures[0]).to_dict()["detections"]

        def child() -> bool:
            result = predictor(pictures[0])
            predictor.close()
            return result.retried == "" and result.to_dict()["detections"] == before

        assert in_fork(child)
        result = predictor(pictures[0])
        assert result.retried == "" and result.to_dict()["detections"] == before
