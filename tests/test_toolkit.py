"""Reading the vendor's build log, and what is left of a worker that dies."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from support.bundle import made
from support.cli import PATIENCE

from rknn_zoo_e2e.boards.install import remedy
from rknn_zoo_e2e.conversion.executor import Local
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.isolation.worker import LibraryError, in_words
from rknn_zoo_e2e.runtime.simulator import SimulatorRuntime
from rknn_zoo_e2e.toolkit.buildlog import last_error, layers, placement, readable
from rknn_zoo_e2e.toolkit.client import Toolkit
from rknn_zoo_e2e.toolkit.job import BuildJob

# Excerpts as rknn-toolkit2 2.3.2 prints them; rk3576 has a column more.
LOGS = Path(__file__).parent / "logs"
RK3566, RK3576 = ((LOGS / f"{soc}.txt").read_text() for soc in ("rk3566", "rk3576"))


@pytest.mark.parametrize("simulated", [True, False])
def test_advice_without_the_toolkit_fits_the_command(tmp_path: Path, monkeypatch, simulated: bool):
    """What simulates can run the graph instead; a conversion has no --backend."""
    monkeypatch.setattr("rknn_zoo_e2e.toolkit.client.find_spec", lambda name: None)
    bundle = made(tmp_path)
    with pytest.raises(UserError, match="rknn-toolkit2 is not installed here") as caught:
        SimulatorRuntime(bundle, bundle.artifacts[0]) if simulated else Local().check()
    assert caught.value.fix == remedy("convert") + (", or use --backend onnx." if simulated else ".")


def test_placement_is_read_from_the_table():
    assert placement(RK3566) == {
        "npu": 2,
        "cpu": [{"op": "Reshape", "name": "Reshape:/model.22/Reshape", "shape": "(1,84,8400)"}],
        "traffic_kb": 1201 + 800 + 1378,
        "cycles": 921600,
    }
    assert [(x.op, x.kb, x.cycles) for x in layers(RK3576)] == [("ConvExSwish", 1200, 921600), ("Split", 800, 0)]


def test_only_the_last_compilation_counts():
    assert placement(RK3566 + RK3576)["cpu"] == []


def test_log_is_readable_and_keeps_no_private_path():
    assert readable("\x1b[1;33mW\x1b[0m a  0%\rdone /home/me/x\n\n", "/home/me") == "done ./x\n"


def test_the_last_error_the_vendor_prints_is_found():
    log = "I a\nE load_onnx: first\nW E is no error here\nE RKNN: [12:00:01.000] \nE build: No rule for 'X'.\nI b\n"
    assert last_error(log) == "E build: No rule for 'X'" and not last_error("W none\nEnd\n")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (LibraryError("rknn-toolkit2 build returned -1"), "rknn-toolkit2 build returned -1"),
        (
            ValueError("Traceback (most recent call last):\n  line\nValueError: Unsupported.\n"),
            "ValueError: Unsupported",
        ),
        (KeyError("x"), "KeyError: 'x'"),
        (MemoryError(), "MemoryError"),
        (SystemExit(-1), "SystemExit: -1"),
    ],
)
def test_an_exception_in_words(error, words):
    assert in_words(error) == words


def build_in_background(toolkit: Toolkit, job: BuildJob) -> tuple[threading.Thread, list[BaseException]]:
    errors: list[BaseException] = []

    def run():
        try:
            toolkit.build(job)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, errors


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_killed_worker_is_named(tmp_path: Path, number):
    started = threading.Event()
    with Toolkit(lambda stage, share: started.set() if stage == "load" else None) as toolkit:
        thread, errors = build_in_background(toolkit, BuildJob(tmp_path / "none.onnx", "rk3566", "fp16"))
        assert started.wait(30)
        os.kill(toolkit.process.pid, number)
        thread.join(30)
    assert isinstance(errors[0], UserError) and number.name in errors[0].what
    assert not toolkit.folder.exists()


@pytest.mark.slow
def test_a_refusal_of_the_vendor_is_told(tmp_path: Path):
    (tmp_path / "bad.onnx").write_bytes(b"not onnx")
    with Toolkit() as toolkit, pytest.raises(UserError, match="failed in stage 'load'") as caught:
        toolkit.build(BuildJob(tmp_path / "bad.onnx", "rk3566", "fp16"))
    assert "Traceback" in caught.value.detail and "Traceback" not in str(caught.value)


@pytest.mark.slow
def test_a_cancelled_build_ends_and_so_does_one_that_does_not_even_listen(tmp_path: Path):
    cancelled = threading.Event()
    ranges = {f"/tensor.{i}": ([0.0], [1.0]) for i in range(100_000)}  # more than a socket takes at once
    with Toolkit(cancelled=cancelled) as toolkit:
        os.kill(toolkit.process.pid, signal.SIGSTOP)
        thread, errors = build_in_background(toolkit, BuildJob(tmp_path / "x.onnx", "rk3566", "fp16", ranges=ranges))
        time.sleep(0.5)
        cancelled.set()
        thread.join(PATIENCE)
        assert not thread.is_alive() and "cancelled" in str(errors[0])


@pytest.mark.slow
def test_the_worker_dies_with_its_parent():
    import subprocess
    import sys

    code = "from rknn_zoo_e2e.toolkit.client import Toolkit\nimport os\nt = Toolkit().__enter__()\n"
    code += "import time; time.sleep(2); print(t.process.pid, t.folder, flush=True); os._exit(1)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    pid, folder = out.stdout.split()
    deadline = time.monotonic() + PATIENCE
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        if "Z" in Path(f"/proc/{pid}/stat").read_text().split(")")[1][:3]:
            break
        time.sleep(0.1)
    else:
        assert not Path(f"/proc/{pid}").exists()
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
