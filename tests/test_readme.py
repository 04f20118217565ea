"""What people copy from README.md and the pages of docs/ does what it says: each command is run here, word for word, or
by the test or script that is named beside it. A command that is in neither table fails.

Stand-ins: the starter pose model under the name of a model of the zoo, drawn pictures, a Hub on this machine, and a
board answered by recorded tensors.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.media.synthetic import draw_scene

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
BOARD = ROOT / "tests" / "standin" / "board.py"
PAGES = [
    ROOT / "README.md",
    *(ROOT / "docs" / f"{page}.md" for page in ("converting", "bundle", "board", "boards", "hub", "python", "report")),
]

# In this order, in one folder, each with what it has to print.
ON_A_PC = {
    "e2erknn convert yolov8n-pose --soc rk3566 --calib pictures/": "yolov8n-pose_rknn_model",
    "e2erknn demo image.jpg": "simulator",
    "e2erknn inspect yolov8n-pose_rknn_model": "rk3566",
    "e2erknn report yolov8n-pose_rknn_model --calib pictures/": "Report: report.html",
    "e2erknn convert shapes --soc rk3566": "shapes_rknn_model",
    "e2erknn demo models/sample.jpg": "triangle",
    "e2erknn report .": "Report: report.html",
}
ON_A_BOARD = {
    "e2erknn demo image.jpg": "board",
    "e2erknn bench yolov8n-pose_rknn_model": "letterbox",
}
DOCKER_RUN = (
    'docker run --rm --platform linux/amd64 -u "$(id -u):$(id -g)" -v "$PWD:/work" e2erknn convert shapes --soc rk3566'
)
# What is run elsewhere: a test or a script, and what of it stands there.
ELSEWHERE = {
    "pip install '.[convert]'": ("scripts/test.sh", "make_venv .test/venv convert,test"),
    "pip install --no-compile '.[board]'": ("scripts/board_root.sh", "pip install --no-compile"),
    "cmake -S cpp -B build && cmake --build build": ("tests/cpp/conftest.py", '["cmake", "-S", CPP, "-B", folder'),
    "build/app/e2erknn-run yolov8n-pose_rknn_model/yolov8n-pose-rk3566-int8.rknn image.jpg --out drawn": (
        "tests/cpp/test_cpp_run.py",
        "def test_what_is_drawn_looks_like_demos(",
    ),
    "e2erknn convert shapes-pose --soc rk3566,rv1106": (
        "tests/test_layouts.py",
        'run("convert", "shapes-pose", "--soc", "rk3566,rv1106"',
    ),
    "e2erknn convert shapes --soc rk3566 --for frigate": ("tests/test_contracts.py", '("shapes", "frigate")'),
    "docker build --platform linux/amd64 -t e2erknn .": ("scripts/check_dockerfile.sh", "Dockerfile"),
    DOCKER_RUN: ("scripts/check_dockerfile.sh", "convert shapes --soc rk3566"),
    "e2erknn fetch yolov8n coco128": ("tests/test_fetch.py", "def test_coco128_calibrates_official_models("),
    "e2erknn convert 'yolov8n*' yolo11n --soc rk3566 --soc rk3588 --calib pictures/ --jobs 2": (
        "tests/test_many.py",
        "def test_a_pattern_means_models_of_the_zoo(",
    ),
    "e2erknn doctor yolov8n-pose_rknn_model": ("tests/test_doctor.py", "def test_the_command_on_a_board("),
    "e2erknn demo 0 --show": ("tests/test_video.py", "def test_a_camera_is_live_until_it_is_closed("),
    **{
        command: ("tests/hub/test_measured.py", command)
        for command in (
            "e2erknn bench yolov8n_rknn_model --save board.json",
            "e2erknn publish yolov8n_rknn_model --measured board.json --repo me/yolov8n-rknn",
            "e2erknn pull me/yolov8n-rknn --soc rk3588 --whole",
            "e2erknn publish yolov8n_rknn_model --measured board.json --repo me/yolov8n-rknn --pr",
        )
    },
    **{
        f"e2erknn eval best_rknn_model --data data.yaml --half confirming --backend {backend}": (
            "tests/test_drop.py",
            'run("eval", folder, "--data", data, "--half", half, "--backend", backend',
        )
        for backend in ("onnx", "simulator")
    },
    "hf auth login": ("tests/hub/test_publish.py", "def test_the_token_is_told_of("),
    **{
        command: ("tests/hub/test_page.py", command)
        for command in (
            "e2erknn publish yolov8n_rknn_model --repo me/yolov8n-rknn --dry-run",
            "e2erknn pull me/yolov8n-rknn --soc rk3566",
            "e2erknn demo image.jpg --model hf:me/yolov8n-rknn",
        )
    },
}


def commands(page: Path) -> list[str]:
    """The lines of a page's blocks without a language, without what is said of them behind a #."""
    lines = (re.sub(r"(^|\s+)#.*", "", line) for block in blocks(page, "") for line in block.splitlines())
    return [line for line in lines if line]


def blocks(page: Path, language: str) -> list[str]:
    """A page's blocks of code in one language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return [code for its, code in found if its == language]


def snippet(page: Path) -> str:
    """A page's first Python; what talks to the Hub is run as the docstrings' examples are (tests/hub/test_api.py)."""
    return blocks(page, "python")[0]


def typed(command: str, folder: Path, *program: object, **environment: object) -> str:
    """Runs a command as a shell would, and returns what it printed."""
    words = shlex.split(command)
    assert words[0] == "e2erknn"
    names = os.environ | {"COLUMNS": "160"} | {name: str(value) for name, value in environment.items()}
    start = [sys.executable, *map(str, program or ("-m", "rknn_zoo_e2e"))]
    out = subprocess.run([*start, *words[1:]], cwd=folder, env=names, capture_output=True, text=True)
    assert out.returncode == 0, f"{command}\n{out.stdout}{out.stderr}"
    return out.stdout + out.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory, models: Path) -> Path:
    """A working folder with pictures/, image.jpg and models/, and in weights/ what stands for yolov8n-pose."""
    folder = tmp_path_factory.mktemp("readme")
    for name in ("pictures", "weights", "models"):
        (folder / name).mkdir()
    for seed in range(20):
        Image.fromarray(draw_scene(seed, pose=True)[0]).save(folder / f"pictures/{seed}.png")
    for name, source in {
        "image.jpg": "sample-pose.jpg",
        "models/sample.jpg": "sample.jpg",
        "weights/yolov8n-pose.pt": "weights/shapes-pose.pt",
    }.items():
        (folder / name).write_bytes((models / source).read_bytes())
    return folder


@pytest.fixture(scope="module")
def printed(folder: Path) -> dict[str, str]:
    """What each command for a PC printed."""
    return {command: typed(command, folder, E2ERKNN_WEIGHTS=folder / "weights") for command in ON_A_PC}


def test_every_command_of_the_pages_is_run():
    known = {*ON_A_PC, *ON_A_BOARD, *ELSEWHERE}
    found = {command for page in PAGES for command in commands(page)}
    assert sorted(found - known) == [], "Run it here, or name the test that does."
    assert sorted(known - found) == [], "No page has it any more."


@pytest.mark.parametrize("command", ELSEWHERE)
def test_what_runs_the_others_is_there(command):
    file, part = ELSEWHERE[command]
    assert part in (ROOT / file).read_text("utf-8")


@pytest.mark.parametrize("command", ON_A_PC)
def test_the_commands_for_a_pc(printed: dict[str, str], command):
    assert ON_A_PC[command] in printed[command]


@pytest.mark.parametrize("command", ON_A_BOARD)
def test_the_commands_for_a_board(printed: dict[str, str], folder: Path, tmp_path: Path, command):
    spec = read_bundle(folder / "yolov8n-pose_rknn_model").spec
    answer = np.zeros((1, 5 + spec.kpt_shape[0] * spec.kpt_shape[1], 2100), np.float32)
    answer[0, :, 7] = 0.5
    np.savez(tmp_path / "tensors.npz", **{"any-0": answer})
    environment = {
        "RKNNLITE_STANDIN_SOC": "rk3566",
        "RKNNLITE_STANDIN_TENSORS": tmp_path / "tensors.npz",
        "PYTHONPATH": f"{BOARD.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
    }
    (folder / "shapes_rknn_model").rename(tmp_path / "aside")  # demo takes the newest
    try:
        said = typed(command, folder, BOARD, **environment)
    finally:
        (tmp_path / "aside").rename(folder / "shapes_rknn_model")
    assert ON_A_BOARD[command] in said


def test_the_python_of_the_readme(printed: dict[str, str], folder: Path):
    out = subprocess.run([sys.executable, "-c", snippet(PAGES[0])], cwd=folder, capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    assert out.stdout.startswith("[[")


def test_the_python_of_its_page(folder: Path, models: Path):
    (folder / "best.pt").write_bytes((models / "weights/shapes-pose.pt").read_bytes() + b"trained further")
    before = "import cv2; rgb = cv2.imread('image.jpg')[..., ::-1]; frames = [rgb] * 3\n"
    code = before + snippet(ROOT / "docs/python.md") + "assert result.keypoints.size and picture.shape == rgb.shape"
    out = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
