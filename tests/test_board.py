"""The board's path without a board: ``tests/standin/rknnlite`` stands in for the NPU."""

from __future__ import annotations

import json
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from support.board import SPEC, STANDIN, make_bundle, on_board

from rknn_zoo_e2e import load
from rknn_zoo_e2e.boards import probe
from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.runtime.base import RuntimeGone
from rknn_zoo_e2e.runtime.ordered import in_order


@pytest.fixture
def board(monkeypatch):
    """A function that makes this a board with the given SoC."""
    monkeypatch.syspath_prepend(STANDIN)

    def become(soc: str, **environment: object) -> None:
        monkeypatch.setenv("RKNNLITE_STANDIN_SOC", soc)
        monkeypatch.setattr(probe, "board_soc", lambda *_: soc)
        for name, value in environment.items():
            monkeypatch.setenv(f"RKNNLITE_STANDIN_{name}", str(value))

    yield become
    for name in [name for name in sys.modules if name.split(".")[0] == "rknnlite"]:
        del sys.modules[name]


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return make_bundle(tmp_path, SPEC, "rk3566", "rk3588")


def numbered(number: int) -> np.ndarray:
    """A picture (64, 96, 3) that says its number."""
    return np.full((64, 96, 3), (number % 256, number // 256, 0), np.uint8)


def tensors(path: Path, count: int) -> Path:
    """Recorded answers: picture ``number`` holds one box whose left edge is ``number / 10`` px."""
    answers = {}
    for number in range(count):
        out = np.zeros((1, 6, 126), np.float32)
        out[0, :5, 7] = (number / 10 + 5) / 96, 0.5, 10 / 96, 0.2, 0.9
        answers[f"{zlib.crc32(numbered(number).tobytes()):08x}-0"] = out
    answers["any-0"] = np.zeros((1, 6, 126), np.float32)
    np.savez(path, **answers)
    return path


MASKS = [("rk3566", "all", [0]), ("rk3588", "all", [1, 2, 4]), ("rk3588", 2, [1, 2]), ("rk3588", 1, [0])]


@pytest.mark.parametrize(("soc", "cores", "masks"), [*MASKS, ("rk3568", 1, [0])])
def test_one_context_a_core(board, tiny, tmp_path, soc, cores, masks):
    board(soc, TENSORS=tensors(tmp_path / "t.npz", 1))
    with load(tiny, cores=cores) as predictor:
        assert predictor.backend == "board"
        assert [runtime._lite.core_mask for runtime in predictor._pool.runtimes] == masks
        np.testing.assert_allclose(predictor(numbered(0)).boxes[0, [0, 2]], [0, 10], atol=1e-3)


@pytest.mark.slow
def test_cores_are_faster_and_frames_stay_in_order(board, tiny, tmp_path):
    """60 ms a call: three cores give at least 2.8 times one, and their results in order."""
    board("rk3588", TENSORS=tensors(tmp_path / "t.npz", 300), DELAY=60)
    frames, seconds = [numbered(number) for number in range(300)], {}
    for cores, count in ((1, 60), (3, 300)):
        with load(tiny, cores=cores) as predictor:
            start = time.perf_counter()
            lefts = [result.boxes[0, 0] for result in predictor.map(frames[:count])]
            seconds[cores] = (time.perf_counter() - start) / count
        np.testing.assert_allclose(lefts, np.arange(count) / 10, atol=1e-3)
    assert seconds[1] / seconds[3] >= 2.8, seconds


def test_a_lazy_supply_is_taken_as_results_are(board, tiny, tmp_path):
    board("rk3588", TENSORS=tensors(tmp_path / "t.npz", 1))
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield numbered(0)

    with load(tiny, cores=3) as predictor:
        results = predictor.map(endless())
        for _ in range(10):
            next(results)
        results.close()
    assert taken <= 10 + 5


def test_a_context_that_fails_is_opened_anew(board, tiny, tmp_path, capfd):
    """Every fourth call of a context fails: that picture is run again, and nothing is lost."""
    board("rk3588", TENSORS=tensors(tmp_path / "t.npz", 20), FAIL="inference:4")
    with load(tiny, cores=2) as predictor:
        results = list(predictor.map(numbered(number) for number in range(20)))
        with predictor._pool.lend(), predictor._pool.lend():  # one that failed last is opened for its next user
            assert len(predictor._pool.runtimes) == 2
    np.testing.assert_allclose([result.boxes[0, 0] for result in results], np.arange(20) / 10, atol=1e-3)
    failures = [result.retried for result in results if result.retried]
    assert set(failures) == {"The NPU gave no result; its runtime says why above."}
    assert 3 <= len(failures) <= capfd.readouterr().err.count("RKNN_ERR_TIMEOUT")  # both may fail at one picture


def test_each_context_can_be_asked_alone(board, tiny, tmp_path):
    """Also one that failed when it was asked last, which is opened anew."""
    board("rk3588", TENSORS=tensors(tmp_path / "t.npz", 2))
    with load(tiny, cores=2) as predictor:
        assert predictor.contexts == 2
        predictor._pool._open.pop(1).close()
        for context in (0, 1):
            (output,) = predictor.infer_on(context, numbered(1))
            assert output[0, 4, 7] == np.float32(0.9)


def test_a_context_that_never_answers_is_given_up(board, tiny, tmp_path):
    board("rk3588", TENSORS=tensors(tmp_path / "t.npz", 20), FAIL="inference:1")
    with load(tiny, cores=1) as predictor:
        for _ in range(3):
            with pytest.raises(UserError, match=r"^The NPU gave no result"):
                predictor(numbered(0))
        with pytest.raises(RuntimeGone, match=r"failed 6 times in a row: The NPU gave no result"):
            predictor(numbered(0))


def test_a_context_that_cannot_be_opened_again_is_given_up(board, tiny, tmp_path, monkeypatch):
    board("rk3588", TENSORS=tensors(tmp_path / "t.npz", 20), FAIL="inference:3")
    with load(tiny, cores=1) as predictor:
        assert len(predictor(numbered(1))) == len(predictor(numbered(2))) == 1
        monkeypatch.setenv("RKNNLITE_STANDIN_FAIL", "init")
        predictor._pool._open[0]._lite.release()  # the next call fails
        for _ in range(3):
            with pytest.raises(UserError, match="does not start"):
                predictor(numbered(3))
        with pytest.raises(RuntimeGone):
            predictor(numbered(3))


def test_an_error_comes_in_its_place_and_ends_the_rest():
    def work(item: int) -> int:
        if item == 4:
            raise UserError("This one is bad.", "Leave it out.")
        return item * 2

    got = []
    with pytest.raises(UserError, match="is bad"):
        for result in in_order(work, range(20), 4):
            got.append(result)
    assert got == [0, 2, 4, 6] and list(in_order(work, range(3), 4)) == [0, 2, 4]


def test_a_supply_that_breaks_gives_what_came_before():
    def supply():
        yield from range(7)
        raise UserError("The stream ended.", "Start it again.")

    results, got = in_order(lambda item: item * 2, supply(), 4), []
    with pytest.raises(UserError, match="stream ended"):
        for result in results:
            got.append(result)
    assert got == [0, 2, 4, 6, 8, 10, 12]


def test_what_a_board_cannot_run_is_refused(board, tiny, tmp_path, monkeypatch, capfd):
    with pytest.raises(UserError, match="no NPU here"):
        load(tiny, backend="board")
    board("rk3576", TENSORS=tensors(tmp_path / "t.npz", 1))
    with pytest.raises(UserError, match=r"has an rk3576.*holds rk3566 int8, rk3588 int8.*--soc rk3576"):
        load(tiny)
    board("rk3566")
    with pytest.raises(UserError, match="not fp16"):
        load(tiny, precision="fp16")
    with pytest.raises(UserError, match="has an rk3566"):
        load(tiny, soc="rk3588")
    for cores in (2, "two", 0):
        with pytest.raises(UsageError, match="from 1 to 1"):
            load(tiny, cores=cores)
    for when, said in (("load", "cannot load"), ("init", "does not start")):
        monkeypatch.setenv("RKNNLITE_STANDIN_FAIL", when)
        with pytest.raises(UserError, match=said):
            load(tiny)
    (tiny / "tiny-rk3566-int8.rknn").write_bytes(b"tampered")
    with pytest.raises(UserError, match="not the file the bundle was made with"):
        load(tiny)
    assert "RKNN_ERR_DEVICE_UNAVAILABLE" in capfd.readouterr().err


def test_without_the_vendors_package_the_board_says_so(tiny, monkeypatch):
    monkeypatch.setattr(probe, "board_soc", lambda *_: "rk3566")
    with pytest.raises(UserError, match=r"rknn-toolkit-lite2 is not installed.*\[board\]"):
        load(tiny)


@pytest.mark.slow
def test_the_demo_runs_on_the_npu(converted: Path, models: Path, tmp_path: Path):
    """Answered by the simulator: the same detections as with the simulator itself."""
    arguments = ("demo", models / "sample.jpg", "--model", converted / "shapes_rknn_model", "--json")
    documents = []
    for backend in ("auto", "simulator"):
        out = on_board(*arguments, "--backend", backend, cwd=tmp_path)
        assert out.returncode == 0, out.stderr
        documents.append(json.loads(out.stdout))
    assert documents[0]["backend"] == "board" and len(documents[0]["images"][0]["detections"]) >= 3
    assert documents[0]["images"][0]["detections"] == documents[1]["images"][0]["detections"]


@pytest.mark.slow
def test_a_still_picture_is_quick(converted: Path, models: Path, tmp_path: Path):
    """From the start of the process to the first result, torch-free: processor time, as the clock may be others'."""
    bundle = converted / "shapes_rknn_model"
    count = len(read_bundle(bundle).spec.names) + 4
    np.savez(tmp_path / "t.npz", **{"any-0": np.zeros((1, count, 2100), np.float32)})
    arguments = ("demo", models / "sample.jpg", "--model", bundle, "-q")
    import resource

    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        out = on_board(*arguments, cwd=tmp_path, TENSORS=tmp_path / "t.npz")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert out.returncode == 0, out.stderr
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(spent) < 0.8, spent
