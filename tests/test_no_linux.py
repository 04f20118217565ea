"""Running a bundle by ONNX Runtime needs nothing of Linux: neither ``fcntl`` nor ``/proc`` nor ``fork``.

``no_linux/sitecustomize.py`` hides them from processes of our own; macOS and Windows themselves are not tried.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HIDING = Path(__file__).parent / "no_linux"
LOCK = """
import ctypes
from pathlib import Path
def load_library(name, **kwargs):
    raise TypeError("LoadLibrary() argument 1 must be str, not None")  # what CDLL(None) is on Windows
ctypes.CDLL = load_library
from rknn_zoo_e2e.files.lock import locked
from rknn_zoo_e2e.files.staging import staged
for turn in range(2):  # the second one replaces what is there
    said = []
    with locked(Path("x"), "pull", said.append), staged(Path("x")) as folder:
        (folder / str(turn)).touch()
    print(*said)
"""
HIDDEN = """
import os, signal, socket, sys
from pathlib import Path
def refused(call, *errors):
    try:
        call()
    except errors:
        return True
print(
    refused(lambda: __import__("fcntl"), ImportError)
    and refused(lambda: open("/proc/cpuinfo"), OSError)
    and refused(lambda: Path("/proc/device-tree/compatible").read_bytes(), OSError)
    and refused(lambda: os.listdir("/proc"), OSError)
    and not Path("/proc").exists() and not os.path.exists("/sys")
    and not any(hasattr(os, name) for name in ("fork", "register_at_fork", "geteuid", "killpg", "O_NOFOLLOW"))
    and not hasattr(signal, "SIGKILL") and not hasattr(socket, "AF_UNIX")
)
"""
PREDICT = """
import sys
import numpy as np
from PIL import Image
from rknn_zoo_e2e import Thresholds, load
rgb = np.asarray(Image.open("sample.jpg").convert("RGB"))
with load(sys.argv[1], backend="onnx", cores=2, thresholds=Thresholds(conf=0.5)) as predictor:
    results = [predictor("sample.jpg"), *predictor.map([rgb, rgb])]
for result in results:
    assert (result.draw(rgb) != rgb).any()
print([result.label(0) for result in results], [len(result) for result in results])
"""


@pytest.fixture
def here(converted: Path, models: Path, tmp_path: Path) -> Path:
    """A working folder with a bundle and a picture."""
    shutil.copytree(converted / "shapes_rknn_model", tmp_path / "shapes_rknn_model")
    shutil.copy(models / "sample.jpg", tmp_path)
    return tmp_path


def python(*args: str, cwd: Path, hiding: bool = True) -> subprocess.CompletedProcess:
    path = os.pathsep.join(filter(None, [str(HIDING), os.environ.get("PYTHONPATH")]))
    environment = os.environ | ({"PYTHONPATH": path} if hiding else {})
    return subprocess.run([sys.executable, *args], cwd=cwd, env=environment, capture_output=True, text=True)


def cli(*args: str, cwd: Path) -> subprocess.CompletedProcess:
    return python("-m", "rknn_zoo_e2e", *args, cwd=cwd)


def test_it_is_hidden(tmp_path: Path):
    for hiding, said in ((True, "True"), (False, "None")):
        out = python("-c", HIDDEN, cwd=tmp_path, hiding=hiding)
        assert out.stdout.strip() == said, out.stderr


@pytest.mark.slow
def test_a_picture_from_python_is_what_it_is_on_linux(here: Path):
    out, linux = (python("-c", PREDICT, "shapes_rknn_model", cwd=here, hiding=hiding) for hiding in (True, False))
    assert out.returncode == 0, out.stderr
    assert out.stdout == linux.stdout and "triangle" in out.stdout


def test_demo(here: Path):
    out = cli("demo", "sample.jpg", "--model", "shapes_rknn_model", "--backend", "onnx", "--json", cwd=here)
    assert out.returncode == 0, out.stderr
    document = json.loads(out.stdout)
    assert document["backend"] == "onnx" and document["images"][0]["detections"][0]["label"] == "triangle"
    assert (here / document["images"][0]["drawn"]).is_file()


COMMANDS = {
    ("list", "shapes"): "shapes-obb",
    ("inspect", "shapes_rknn_model"): "shapes-rk3566-int8.rknn",
    ("doctor",): "This is no Rockchip board.",
    ("bench", "shapes_rknn_model", "--backend", "onnx", "--runs", "3"): "letterbox",
}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_other_commands(here: Path, command):
    out = cli(*command, cwd=here)
    assert out.returncode == 0 and COMMANDS[command] in out.stdout, out.stderr


@pytest.mark.slow
def test_what_needs_linux_says_so(here: Path):
    for command in (("demo", "sample.jpg", "--backend", "simulator"), ("convert", "shapes", "--soc", "rk3588")):
        out = cli(*command, cwd=here)
        error = out.stderr[out.stderr.index("Error: ") :].splitlines()
        assert out.returncode == 1 and error[0].endswith("runs on Linux only.") and "--backend onnx" in error[1]


def test_a_report_is_whole(here: Path):
    out = cli("inspect", "nothing_rknn_model", "--debug", cwd=here)
    (report,) = here.glob("e2erknn-debug-*.txt")
    assert out.returncode == 1 and "not to be had" not in report.read_text()


def test_without_locks_it_says_so_and_writes_all_the_same(tmp_path: Path):
    out = python("-c", LOCK, cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    assert [line.endswith("let no other e2erknn change x meanwhile.") for line in out.stdout.splitlines()] == [True] * 2
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == ["x", "x/1"]
