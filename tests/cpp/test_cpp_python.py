"""The package's backend "native": the C++ library driven from Python, on a pretended NPU that answers with what the
simulator gave. Every test runs in a process of its own, which the pretended runtime ends where it finds a fault."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from native import RUNNER, STATIC
from recording import LAYOUTS
from support.machine import machine

from rknn_zoo_e2e import __version__
from rknn_zoo_e2e.boards.native import BUILD
from rknn_zoo_e2e.bundle.measurement_file import read_measurement
from rknn_zoo_e2e.tasks.base import Thresholds
from rknn_zoo_e2e.tasks.registry import task_of
from rknn_zoo_e2e.vision.image import read_image
from rknn_zoo_e2e.vision.letterbox import Letterbox
from rknn_zoo_e2e.vision.tensors import real

ROOT = Path(__file__).parents[2]
TASKS = ("detect", "pose", "segment", "obb")
STANDIN = ROOT / "tests" / "standin"
USUAL = "fp16 grid, blocks of 8"
BOARD = "from rknn_zoo_e2e.boards import probe; probe.board_soc = lambda *_: 'rk3566'; "
CLI = "from rknn_zoo_e2e import cli; cli.main()"
# For each recording: the raw outputs of the first recorded input, and all pictures on several contexts at a time.
ALL_PICTURES = """
import json, os, sys
import numpy as np
from rknn_zoo_e2e import Thresholds, load

bundle, soc, thresholds, pictures, folders, out = json.loads(sys.argv[1])
for number, folder in enumerate(folders):
    os.environ["E2ERKNN_STANDIN"] = folder
    with load(bundle, "native", soc, cores="all", thresholds=Thresholds(**thresholds)) as predictor:
        rgb = np.fromfile(f"{folder}/input-0.bin", np.uint8).reshape(*predictor.spec.imgsz, 3)
        np.savez(f"{out}/{number}.npz", *predictor.infer(rgb))
        found = [result.to_dict()["detections"] for result in predictor.map(pictures)]
        print(json.dumps({"backend": predictor.backend, "contexts": predictor.contexts, "found": found}))
"""

pytestmark = pytest.mark.skipif(bool(RUNNER) or STATIC, reason="Python loads a shared library of this processor")


@pytest.fixture
def python(built, recorded):
    """Runs code of a user's, with the library and the pretended runtime at hand."""

    def call(code: str, *args: object, task="detect", layout=USUAL, runtime="librknnrt.so", **environment: object):
        env = dict(os.environ, E2ERKNN_STANDIN=str(recorded(task, layout)), ASAN_OPTIONS="detect_leaks=0")
        env |= {"E2ERKNN_LIBRARY": str(built / "libe2erknn.so"), "E2ERKNN_RKNNRT": str(built / "tests" / runtime)}
        env |= {name: str(value) for name, value in environment.items()}
        command = [sys.executable, "-c", code, *map(str, args)]
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=300)
        assert done.returncode != 99 and "stand-in:" not in done.stderr, done.stderr
        return done

    return call


def soc_of(one) -> str:
    """Of the one artifact that is there."""
    text = (one.model.parent / "metadata.yaml").read_text()
    return next(a["soc"] for a in yaml.safe_load(text)["artifacts"] if a["file"] == one.model.name)


@pytest.fixture
def demo(python, simulated, tmp_path):
    """``e2erknn demo`` of the first recorded picture."""

    def call(*args: object, code: str = CLI, backend: str = "native", **options: object):
        one = simulated["detect"]
        words = (
            "demo",
            one.pictures[0],
            "--model",
            one.model.parent,
            "--backend",
            backend,
            "--out",
            tmp_path / "drawn",
        )
        return python(code, *words, *args, **options)

    return call


@pytest.mark.parametrize("task", TASKS)
def test_the_same_detections_as_any_backend_of_the_same_values(python, simulated, recorded, tmp_path, task):
    """Raw outputs to the last bit, so that every threshold means the same; in order, on three contexts at a time."""
    one = simulated[task]
    given = {"conf": 0.1, "iou": 0.5, "max_det": 4, "classes": tuple(range(0, len(one.spec.names), 2))}
    folders = [str(recorded(task, layout)) for layout in LAYOUTS]
    pictures = [str(path) for path in one.pictures]
    done = python(
        ALL_PICTURES, json.dumps([str(one.model.parent), soc_of(one), given, pictures, folders, str(tmp_path)])
    )
    assert done.returncode == 0, done.stderr
    adapter, total = task_of(one.spec), 0
    for number, (layout, line) in enumerate(zip(LAYOUTS.values(), done.stdout.splitlines(), strict=True)):
        document, held = json.loads(line), one.held(layout)
        raw = np.load(tmp_path / f"{number}.npz")
        for name, output in zip(raw.files, held[0], strict=True):
            assert raw[name].dtype == np.float32 and raw[name].shape == output.shape
            np.testing.assert_array_equal(raw[name], real(output))
        for path, outputs, found in zip(one.pictures, held, document["found"], strict=True):
            letterbox = Letterbox.of(read_image(path), one.spec.imgsz)
            wanted = adapter.decode([real(output) for output in outputs], letterbox, Thresholds(**given))
            assert found == json.loads(json.dumps(wanted.to_dict()["detections"]))
            total += len(found)
    assert total > 20


def test_the_commands(demo, python, simulated):
    done = demo("--json", "--cores", "all")
    document = json.loads(done.stdout)
    assert done.returncode == 0 and document["backend"] == "native" and document["images"][0]["detections"]
    one = simulated["detect"]
    words = ("bench", one.model.parent, "--soc", soc_of(one), "--images", one.pictures[0], "--runs", 3, "--warmup", 1)
    done = python(CLI, *words, "--backend", "native", "--json")
    measured = json.loads(done.stdout)
    assert done.returncode == 0 and measured["stages"]["infer"]["p50"] > 0 and measured["fps"]["pooled"] > 0


def test_a_measurement_is_saved_for_others(python, simulated, tmp_path):
    """With the librknnrt that is loaded in truth, wherever it lies; and not where nothing says which board it is."""
    one, target = simulated["detect"], tmp_path / "board.json"
    words = ("bench", one.model.parent, "--soc", soc_of(one), "--images", one.pictures[0], "--runs", 3, "--warmup", 1)
    words = (*words, "--backend", "native", "--save", target)
    done = python(CLI, *words)
    problem, fix = done.stderr.splitlines()[-2:]
    assert done.returncode == 1 and "does not say which board it is" in problem and "/proc/device-tree" in fix
    assert not target.exists()
    machine(tmp_path / "root", soc_of(one))
    root = f"from pathlib import Path; probe.ROOT = Path({str(tmp_path / 'root')!r}); "
    done = python(BOARD.replace("rk3566", soc_of(one)) + root + CLI, *words)
    assert done.returncode == 0, done.stderr
    told = read_measurement(target)
    assert told["software"]["backend"] == "native" and told["software"]["runtime"] == f"C++ library {__version__}"
    assert told["software"]["librknnrt"] == "2.3.2" and told["artifact"]["soc"] == told["board"]["soc"] == soc_of(one)
    assert told["stages"]["infer"]["p50"] > 0 and told["clocks"][0]["part"] == "npu"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("rknn_init:1:-6", ("damaged or of another version", "Build it for this board with: e2erknn convert")),
        ("rknn_query:1:-5", ("a parameter is not what it takes", "report it")),
        ("rknn_create_mem:1:-1", ("not enough memory", "smaller --imgsz")),
        ("rknn_set_io_mem:1:-1", ("use the memory", "dmesg")),
    ],
)
def test_what_does_not_open_is_said_with_its_fix(demo, fault, said):
    done = demo(E2ERKNN_STANDIN_FAIL=fault)
    what, fix = done.stderr.strip().splitlines()[-2:]
    assert done.returncode == 1 and what.startswith("Error: ") and said[0] in what and said[1] in fix


def test_a_picture_is_run_again_where_the_npu_failed_once(demo):
    done = demo("--json", E2ERKNN_STANDIN_FAIL="rknn_run:1:-2")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["images"][0]["detections"]
    assert "did not answer in time" in done.stderr


@pytest.fixture
def of_three_cores(simulated, tmp_path) -> Path:
    """The bundle, as if it were an rk3588's."""
    one, folder = simulated["detect"], tmp_path / "three_rknn_model"
    shutil.copytree(one.model.parent, folder)
    text = (folder / "metadata.yaml").read_text()
    (folder / "metadata.yaml").write_text(text.replace(f"soc: {soc_of(one)}\n", "soc: rk3588\n"))
    return folder


def test_one_context_a_core(demo, of_three_cores):
    words = ("--model", of_three_cores, "--soc", "rk3588", "--cores")
    assert demo(*words, "all").returncode == 0
    third = demo(*words, "all", E2ERKNN_STANDIN_FAIL="rknn_set_core_mask:3:-1")
    assert third.returncode == 1 and "cannot use that core" in third.stderr
    assert demo(*words, 1, E2ERKNN_STANDIN_FAIL="rknn_set_core_mask:1:-1").returncode == 0  # the driver chooses
    four = demo(*words, 4)
    assert four.returncode == 2 and "from 1 to 3" in four.stderr


def test_an_older_runtime_chooses_the_core_itself(demo, of_three_cores):
    words = ("--model", of_three_cores, "--soc", "rk3588", "--cores")
    assert demo(*words, 1, runtime="librknnrt-old.so").returncode == 0
    two = demo(*words, 2, runtime="librknnrt-old.so")
    assert two.returncode == 1 and "cannot choose a core" in two.stderr and "with cores=1" in two.stderr


def test_a_class_the_model_has_not_leaves_no_context_open(demo):
    done = demo("--classes", "unicorn")
    assert done.returncode == 2 and "no class unicorn" in done.stderr


def test_without_the_vendors_runtime_it_says_where_that_comes_from(demo):
    done = demo(E2ERKNN_RKNNRT="/nowhere/librknnrt.so")
    assert done.returncode == 1 and "E2ERKNN_RKNNRT=" in done.stderr.splitlines()[-1]


OTHER = 'const char *e2erknn_version(void) { return "%s"; } void e2erknn_open(void) {}'


@pytest.mark.parametrize(
    ("source", "what"),
    [
        (OTHER % "0.0.1", f"is version 0.0.1, and this package is version {__version__}."),
        (OTHER % __version__, f"lacks e2erknn_close, and this package is version {__version__}."),
        ("int nothing;", f"is no libe2erknn, and this package is version {__version__}."),
    ],
)
def test_another_library_is_refused(demo, tmp_path, source, what):
    (tmp_path / "other.c").write_text(source)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "other.so", tmp_path / "other.c"], check=True)
    done = demo(E2ERKNN_LIBRARY=tmp_path / "other.so")
    problem, fix = done.stderr.splitlines()[-2:]
    assert done.returncode == 1 and problem.endswith(what) and "cmake --build build" in fix


def test_a_library_that_is_none_is_refused(demo, tmp_path):
    (tmp_path / "text.so").write_text("no library")
    for path, said in ((tmp_path / "text.so", "cannot be loaded"), (tmp_path / "none.so", "cannot open shared")):
        done = demo(E2ERKNN_LIBRARY=path)
        problem, fix = done.stderr.splitlines()[-2:]
        assert done.returncode == 1 and said in problem and "E2ERKNN_LIBRARY" in fix and "cmake" in fix


@pytest.mark.parametrize(
    ("lite2", "library", "taken"), [(False, True, "native"), (True, True, "board"), (False, False, "")]
)
def test_a_board_takes_what_is_there(demo, simulated, lite2, library, taken):
    """rknn-toolkit-lite2 where it is installed, else the library; with neither it says what to install."""
    code = BOARD.replace("rk3566", soc_of(simulated["detect"]))
    path = os.pathsep.join(filter(None, (str(STANDIN) if lite2 else "", os.environ.get("PYTHONPATH"))))
    done = demo(
        "--json", code=code + CLI, backend="auto", PYTHONPATH=path, RKNNLITE_STANDIN_TENSORS=blank(simulated),
        **({} if library else {"E2ERKNN_LIBRARY": ""}),
    )  # fmt: skip
    if taken:
        assert done.returncode == 0 and json.loads(done.stdout)["backend"] == taken, done.stderr
    else:
        problem, fix = done.stderr.splitlines()[-2:]
        assert done.returncode == 1 and "rknn-toolkit-lite2 is not installed" in problem
        assert "[board]" in fix and "cmake --build build" in fix


def blank(simulated) -> Path:
    """Outputs without a detection, for the stand-in of rknn-toolkit-lite2."""
    one = simulated["detect"]
    path = one.model.parent / "blank.npz"
    np.savez(path, **{f"any-{i}": np.zeros_like(output) for i, output in enumerate(one.outputs[0])})
    return path


def test_a_bundle_of_another_size_is_refused(demo, simulated, tmp_path):
    one = simulated["detect"]
    folder = tmp_path / "other_rknn_model"
    folder.mkdir()
    for path in one.model.parent.iterdir():
        if path.suffix in (".rknn", ".txt"):
            (folder / path.name).write_bytes(path.read_bytes())
    text = (one.model.parent / "metadata.yaml").read_text()
    (folder / "metadata.yaml").write_text(text.replace("imgsz:\n- 320\n- 320", "imgsz:\n- 320\n- 352"))
    done = demo("--model", folder)
    problem, fix = done.stderr.splitlines()[-2:]
    assert done.returncode == 1 and "takes 320x320 px, not 320x352" in problem and "metadata.yaml" in fix


def test_the_commands_that_build_it_are_those_of_the_page():
    page = (ROOT / "docs" / "cpp.md").read_text()
    (block,) = re.findall(r"^## For the Python package$.*?^```\n(.*?)^```$", page, re.S | re.M)
    assert block.strip().replace("\n", " && ") == BUILD.format(cpp="cpp")
