"""One process at a time changes a bundle, and whoever reads it meanwhile finds it whole."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from support.cli import COMMAND, PATIENCE, run

from rknn_zoo_e2e.bundle import reader as bundles
from rknn_zoo_e2e.bundle.reader import check_file, graph_of, newest, read_bundle
from rknn_zoo_e2e.bundle.writer import write_bundle
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.lock import locked
from rknn_zoo_e2e.files.staging import exchange, remove_stale, staged, write_error

FAST = ("--precision", "fp16", "--no-verify", "--calib-images", "2")


def begin(*args: object, cwd: Path) -> subprocess.Popen:
    pipe = subprocess.PIPE
    return subprocess.Popen([*COMMAND, *map(str, args)], cwd=cwd, stdout=pipe, stderr=pipe, text=True)


def until(process: subprocess.Popen, words: str) -> list[str]:
    """Reads its progress until a line holds these words."""
    lines = []
    for line in process.stderr:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError(f"{words!r} never came: {lines}")


@pytest.mark.slow
def test_two_converts_of_one_bundle_at_once_share_it(tmp_path: Path):
    """The second waits, takes over what the first has built, and adds what only it was asked for."""
    first = begin("convert", "shapes", "--soc", "rk3566", *FAST, cwd=tmp_path)
    until(first, "shapes: load")
    first.send_signal(signal.SIGSTOP)  # or it may be done before the others have started
    second = begin("convert", "shapes", "--soc", "rk3566", "--soc", "rk3588", *FAST, "--json", cwd=tmp_path)
    third = begin("convert", "shapes", "--soc", "rk3588", *FAST, cwd=tmp_path)
    waiting = f"Waiting for e2erknn convert (process {first.pid}), which is changing shapes ..."
    until(second, waiting)
    until(third, waiting)
    third.send_signal(signal.SIGINT)  # waiting or not, Ctrl-C works at once
    _, error = third.communicate(timeout=PATIENCE)
    assert third.returncode == 130 and "Interrupted" in error and "Traceback" not in error
    first.send_signal(signal.SIGCONT)
    _, error = first.communicate(timeout=PATIENCE)
    assert first.returncode == 0, error
    out, error = second.communicate(timeout=PATIENCE)
    assert second.returncode == 0, error
    assert json.loads(out)["reused"] == ["shapes-rk3566-fp16.rknn"]
    assert [a.soc for a in read_bundle(tmp_path / "shapes_rknn_model").artifacts] == ["rk3566", "rk3588"]
    assert [path.name for path in tmp_path.iterdir()] == ["shapes_rknn_model"]


@pytest.mark.slow
def test_the_lock_of_a_killed_process_does_not_block(tmp_path: Path):
    first = begin("convert", "shapes", "--soc", "rk3566", *FAST, cwd=tmp_path)
    until(first, "shapes: load")
    first.send_signal(signal.SIGSTOP)
    second = begin("convert", "shapes", "--soc", "rk3566", *FAST, cwd=tmp_path)
    until(second, "Waiting for e2erknn convert")
    first.kill()
    first.communicate()
    _, error = second.communicate(timeout=PATIENCE)
    assert second.returncode == 0, error
    assert [path.name for path in tmp_path.iterdir()] == ["shapes_rknn_model"]


@pytest.mark.slow
def test_only_one_at_a_time_is_let_in(tmp_path: Path):
    """Threads stand in for processes: each opens the lock's file for itself."""
    inside, most = 0, 0
    counting = threading.Lock()

    def one() -> None:
        nonlocal inside, most
        for _ in range(20):
            with locked(tmp_path / "a", "convert", lambda text: None):
                with counting:
                    inside += 1
                    most = max(most, inside)
                time.sleep(0.001)
                with counting:
                    inside -= 1

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("holder", ["convert", "pull", "eval"])
def test_who_waits_is_told_what_for(tmp_path: Path, holder: str):
    """What the one that has it is doing, whatever the one that waits wants."""
    said: list[str] = []

    def stop() -> None:
        if said:
            raise UserError("enough", "")

    with (
        locked(tmp_path / "x", holder, said.append),
        pytest.raises(UserError, match="enough"),
        locked(tmp_path / "x", "convert", said.append, "shapes", stop),
    ):
        pass
    assert said == [f"Waiting for e2erknn {holder} (process {os.getpid()}), which is changing shapes ..."]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"12", b"12 \x1b[31m", b"x" * 99])
def test_a_holder_that_does_not_say_what_it_does(tmp_path: Path, content: bytes):
    """A disk too full for a number, another version, or somebody's joke: nothing of it reaches the terminal."""
    path = tmp_path / ".x.lock"
    path.write_bytes(content)
    said: list[str] = []

    def stop() -> None:
        if said:
            raise UserError("enough", "")

    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="enough"), locked(tmp_path / "x", "pull", said.append, check=stop):
            pass
    assert said == ["Waiting for another e2erknn, which is changing x ..."]


@pytest.mark.slow
def test_a_process_forked_meanwhile_neither_keeps_nor_takes_the_lock(tmp_path: Path):
    """It goes on after the process that has the lock, and leaves the block before."""
    code = f"""
import os, sys, time
from rknn_zoo_e2e.files.lock import locked
from pathlib import Path
with locked(Path({str(tmp_path / "x")!r}), "convert", print):
    if not os.fork():
        if sys.argv[1] == "leaves":
            sys.exit()
        time.sleep(60)
    print("ready", flush=True)
    time.sleep(60)
"""
    for what, waits in (("leaves", True), ("stays", False)):
        pipe = subprocess.PIPE
        process = subprocess.Popen([sys.executable, "-c", code, what], stdout=pipe, text=True, start_new_session=True)
        try:
            assert process.stdout and process.stdout.readline() == "ready\n"
            time.sleep(0.5)
            if not waits:
                process.kill()
                process.wait()
            said: list[str] = []

            def stop(said: list[str] = said) -> None:
                if said:
                    raise UserError("waits", "")

            try:
                with locked(tmp_path / "x", "pull", said.append, check=stop):
                    assert not waits
            except UserError:
                assert waits and f"process {process.pid}" in said[0]
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_locks_it_says_so_and_goes_on(tmp_path: Path, monkeypatch, number):
    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    said: list[str] = []
    (tmp_path / ".x.abcdefgh").mkdir()
    with locked(tmp_path / "x", "convert", said.append, "shapes"):
        assert (tmp_path / ".x.abcdefgh").is_dir(), "it may be another process's"
    assert len(said) == 1 and "has no locks" in said[0] and "shapes" in said[0]
    assert [path.name for path in tmp_path.iterdir()] == [".x.abcdefgh"]


def test_folders_made_for_nothing_are_gone_again(tmp_path: Path):
    with locked(tmp_path / "a" / "b" / "x", "pull", lambda text: None):
        pass
    assert not list(tmp_path.iterdir())
    with locked(tmp_path / "a" / "x", "pull", lambda text: None), staged(tmp_path / "a" / "x") as stage:
        (stage / "file").touch()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["x"]


@pytest.mark.slow
def test_eval_waits_with_its_figures_and_loses_nobody_elses(converted: Path, tmp_path: Path):
    from rknn_zoo_e2e.measure.evaluation import Evaluation

    path = Path(shutil.copytree(converted / "shapes_rknn_model", tmp_path / "shapes_rknn_model"))
    bundle = read_bundle(path)
    (artifact,) = bundle.artifacts
    found = {"images": 1, "metrics": {"box": {"map50": 0.5, "map": 0.4}}}
    evaluation = Evaluation(str(path), tmp_path / "coco.yaml", bundle.spec, "onnx", artifact, found)
    thread = threading.Thread(target=evaluation.keep)
    with locked(path, "convert", lambda text: None):
        thread.start()
        time.sleep(0.5)
        assert thread.is_alive() and not read_bundle(path).artifacts[0].evaluations
        changed = read_bundle(path)
        changed.artifacts[0].evaluations = [{"backend": "simulator", "data": "other", **found}]
        write_bundle(changed, {})
    thread.join(30)
    kept = read_bundle(path).artifacts[0].evaluations
    assert [run["data"] for run in kept] == ["other", "coco"]


@pytest.mark.slow
def test_readers_find_the_old_bundle_or_the_new_one(converted: Path, tmp_path: Path):
    """While artifacts join, all that was there stays readable; where one is replaced, its checksum tells."""
    path = Path(shutil.copytree(converted / "shapes_rknn_model", tmp_path / "shapes_rknn_model"))
    contents = [(path / read_bundle(path).artifacts[0].file).read_bytes(), b"another build"]

    def write(replace: bool) -> None:
        for turn in range(60):
            new = read_bundle(path)
            name = new.artifacts[0].file
            new.artifacts[0].evaluations = [{"backend": "onnx", "data": f"turn {turn}", "images": 1, "metrics": {}}]
            content = contents[turn % 2] if replace else None
            made = {} if content is None else {name: content}
            if content is not None:
                import hashlib

                new.artifacts[0].sha256 = hashlib.sha256(content).hexdigest()
            write_bundle(new, made)

    for replace in (False, True):
        writer = threading.Thread(target=write, args=(replace,))
        writer.start()
        whole = refused = 0
        while writer.is_alive():
            held = read_bundle(path)
            try:
                check_file(held, held.artifacts[0].file, held.artifacts[0].sha256)
                graph_of(held, held.artifacts[0])
                whole += 1
            except UserError as error:
                assert replace and "checksum differs" in error.what
                refused += 1
        assert read_bundle(path).artifacts[0].evaluations[0]["data"] == "turn 59"
        assert whole > 10 and (replace or not refused)


def test_a_process_that_died_between_two_renames_loses_nothing(tmp_path: Path):
    """Where a file system cannot exchange two folders in one step."""
    for name, content in ((".x.abcdefgh", "new"), (".x.abcdefgh.old", "old")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(content)
    remove_stale(tmp_path / "x")
    assert (tmp_path / "x" / "file").read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["x"]


def test_exchange_without_the_system_call(tmp_path: Path, monkeypatch):
    for name in ("new", "old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: object())
    exchange(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old" / "new").exists() and (tmp_path / "new" / "old").exists()


def test_a_clock_that_went_back_does_not_make_the_newest_bundle_old(converted: Path, tmp_path: Path):
    for name in ("shapes", "shapes-pose"):
        shutil.copytree(converted / f"{name}_rknn_model", tmp_path / f"{name}_rknn_model")
    future = time.time() + 10 * 365 * 86400
    os.utime(tmp_path / "shapes-pose_rknn_model" / "metadata.yaml", (future, future))
    assert newest(tmp_path) == tmp_path / "shapes-pose_rknn_model"
    for _ in range(2):
        write_bundle(read_bundle(tmp_path / "shapes_rknn_model"), {})
        assert newest(tmp_path) == tmp_path / "shapes_rknn_model"
    assert bundles.newest(tmp_path / "nowhere") is None


def test_a_bundle_removed_while_the_newest_is_looked_for(tmp_path: Path, monkeypatch):
    for name in "ab":
        (tmp_path / f"{name}_rknn_model").mkdir()
        (tmp_path / f"{name}_rknn_model/metadata.yaml").touch()
    there = bundles.is_bundle

    def look(path: Path) -> bool:
        found = there(path)
        if path.name.startswith("a"):
            shutil.rmtree(path)
        return found

    monkeypatch.setattr(bundles, "is_bundle", look)
    assert newest(tmp_path) == tmp_path / "b_rknn_model"


@pytest.mark.parametrize(
    ("number", "what"),
    [
        (errno.ENOSPC, "No space left to write here."),
        (errno.EDQUOT, "No space left to write here."),
        (errno.EROFS, "here cannot be written (Read-only file system)."),
        (errno.ENAMETOOLONG, "here cannot be written (File name too long)."),
    ],
)
def test_what_a_failed_write_means(number, what):
    error = write_error(Path("here"), OSError(number, os.strerror(number)))
    assert error.what == what and "-o" in error.fix


def test_a_reused_bundle_needs_no_lock(converted: Path, tmp_path: Path):
    path = Path(shutil.copytree(converted / "shapes_rknn_model", tmp_path / "shapes_rknn_model"))
    with locked(path, "convert", lambda text: None):
        out = run("convert", "shapes", "--soc", "rk3566", "--calib-images", 8, "--json", cwd=tmp_path, timeout=PATIENCE)
    assert out.returncode == 0 and json.loads(out.stdout)["reused"], out.stderr
