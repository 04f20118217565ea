"""The simulator's process dies in the middle of the work, for real: nothing is lost, and memory stays as it is.

``E2ERKNN_PICTURES=1000`` makes it the long run.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from PIL import Image
from support.cli import COMMAND, run

from rknn_zoo_e2e.media.synthetic import draw_scene

pytestmark = pytest.mark.slow

PICTURES, EVERY = int(os.environ.get("E2ERKNN_PICTURES", "220")), 100


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A small bundle, and many small pictures."""
    folder = tmp_path_factory.mktemp("crash")
    arguments = ("--soc", "rk3566", "--imgsz", 128, "--calib-images", 4, "--no-verify", "-q")
    assert run("convert", "shapes", *arguments, cwd=folder).returncode == 0
    (folder / "pictures").mkdir()
    for number in range(PICTURES):
        picture, _ = draw_scene(number, (96 + number % 64, 128))
        Image.fromarray(picture).save(folder / "pictures" / f"{number:04}.jpg")
    return folder


@contextmanager
def demo(folder: Path, out: Path, *arguments: str) -> Iterator[subprocess.Popen]:
    """``demo`` on all pictures, its results to be read as they come."""
    command = [*COMMAND, "demo", "pictures", "-o", str(out), *arguments]
    with (out.with_suffix(".err").open("w") as err, subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=err, text=True, bufsize=1
    ) as process):  # fmt: skip
        yield process


def workers(process: subprocess.Popen) -> list[psutil.Process]:
    """The toolkit processes of a demo."""
    return [child for child in psutil.Process(process.pid).children() if "toolkit.worker" in " ".join(child.cmdline())]


def resident(*processes: psutil.Process) -> int:
    """MB of memory in use."""
    return sum(process.memory_info().rss for process in processes) >> 20


def test_a_worker_killed_every_hundred_pictures_costs_none(folder: Path, tmp_path: Path):
    """Each loss is named with its picture and why, and that picture is run again."""
    memory, kills, lines = {}, 0, []
    with demo(folder, tmp_path / "out") as process:
        me = psutil.Process(process.pid)
        for line in process.stdout:
            lines.append(line)
            kill = len(lines) % EVERY == 0 and len(lines) < PICTURES
            if kill or len(lines) == PICTURES - 4:  # later on it may have ended already
                [worker] = workers(process)
                memory[len(lines)] = resident(me), resident(me, worker)
            if kill:
                worker.send_signal(signal.SIGKILL)
                kills += 1
        assert process.wait() == 0
    errors = (tmp_path / "out.err").read_text()
    assert len(lines) == PICTURES == len(list((tmp_path / "out").iterdir())) and "Traceback" not in errors
    named = re.findall(r"^pictures/\d+\.jpg: The vendor toolkit died in stage 'infer' with SIGKILL", errors, re.M)
    assert len(named) == kills == (PICTURES - 1) // EVERY
    for path in (tmp_path / "out").iterdir():
        Image.open(path).load()
    (first, first_total), (last, last_total) = memory[EVERY], memory[max(memory)]
    print(
        f"MB after {EVERY} and {max(memory)} pictures: {first} and {last}, with the worker {first_total}, {last_total}"
    )
    assert last < 1.1 * first and last_total < 1.1 * first_total, memory


def test_a_worker_that_always_dies_is_given_up(folder: Path, tmp_path: Path):
    with demo(folder, tmp_path / "out", "--json") as process:
        lost = set()
        while process.poll() is None:
            try:
                for worker in workers(process):
                    if len(list((tmp_path / "out").glob("*.jpg"))) >= 10:
                        worker.kill()
                        lost.add(worker.pid)
            except psutil.NoSuchProcess:
                pass
        assert process.returncode == 1 and len(lost) >= 6
    errors = (tmp_path / "out.err").read_text()
    assert "The simulator failed 6 times in a row" in errors and "Traceback" not in errors
    assert len(list((tmp_path / "out").iterdir())) < PICTURES


def test_ctrl_c_leaves_whole_pictures(folder: Path, tmp_path: Path):
    with demo(folder, tmp_path / "out") as process:
        for _ in range(30):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read().splitlines()
        assert process.wait() == 130
    written = list((tmp_path / "out").iterdir())
    assert 30 + len(rest) <= len(written) < PICTURES and all(path.suffix == ".jpg" for path in written)
    assert not any(path.name.startswith(".") for path in written)
    for path in written:
        Image.open(path).load()
    assert "Interrupted" in (tmp_path / "out.err").read_text()
