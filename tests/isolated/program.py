"""A program that uses workers: ``python program.py CASE`` prints who is to be killed, and what is to end with that."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

from rknn_zoo_e2e.isolation.parent import Isolated

METHODS = "fork", "spawn", "forkserver"


class Stuck(Isolated):
    module, who, log_is = "stuck", "The stuck one", "its log"


class Slow(Stuck):
    module = "slow_import"


def started(*_: object) -> tuple[Stuck, int]:
    worker = Stuck().__enter__()
    return worker, worker.call("pid", None)


def tell(*pids: int, victim: int = 0) -> None:
    print(victim or os.getpid(), *pids, flush=True)
    time.sleep(600)


def during(verb: str) -> None:
    worker, pid = started()
    threading.Thread(target=worker.call, args=(verb, None), daemon=True).start()
    time.sleep(0.5)
    tell(pid)


def importing() -> None:
    worker = Slow().__enter__()
    time.sleep(1)
    tell(worker.process.pid)


def others() -> None:
    worker, pid = started()
    tell(pid, *worker.call("start_others", None))


def side_by_side() -> None:
    with ThreadPoolExecutor(4) as pool:
        tell(*[pid for _, pid in pool.map(started, range(4))])


def beside_a_fork() -> None:
    """A process forked while there is a worker goes on after its parent."""
    _, pid = started()
    if not os.fork():
        time.sleep(600)
    tell(pid)


def beside_a_pool() -> None:
    """Forked processes that wait for work, each with our end of everything at first."""
    _, pid = started()
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        list(pool.map(time.sleep, [0.1, 0.1]))
        tell(pid)


KEPT = []


def kept(_: object) -> tuple[int, int]:
    """The process of a pool that this is, and its worker."""
    KEPT.append(started())
    time.sleep(0.5)  # so that each process of the pool gets one
    return os.getpid(), KEPT[-1][1]


def in_pool(method: str) -> None:
    """A pool one of whose processes is killed ends the others."""
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        (victim, first), (_, second) = pool.map(kept, range(2))
        tell(first, second, victim=victim)


CASES = {
    "idle": lambda: tell(started()[1]),
    "in a call that holds the interpreter's lock": lambda: during("hold_lock"),
    "ignoring signals": lambda: during("ignore_signals"),
    "waiting": lambda: during("sleep"),
    "still importing": importing,
    "with processes of its own": others,
    "several started at once": side_by_side,
    "beside a forked process": beside_a_fork,
    "beside a pool of forked processes": beside_a_pool,
    **{f"in a pool of processes ({method})": lambda method=method: in_pool(method) for method in METHODS},
}

if __name__ == "__main__":
    CASES[sys.argv[1]]()
