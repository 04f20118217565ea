"""The C++ of a model card, built as docs/cpp.md says, finds what demo finds; and a lone .rknn draws its skeleton."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import TASKS
from native import RUNNER, STATIC

from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.publishing.card import make_card
from rknn_zoo_e2e.vision.image import read_image

ROOT = Path(__file__).parents[2]
EXTRA = {
    "detect": None,
    "pose": r"  \(\d+, \d+\) \d\.\d\d",
    "segment": r"  outline of \d+ points",
    "obb": r"  \d+ x \d+, turned by \d\.\d\d",
}


@pytest.mark.skipif(bool(RUNNER) or STATIC, reason="built once, for this processor")
@pytest.mark.parametrize("task", TASKS)
def test_the_program_of_a_card_runs(built, recorded, simulated, converted, tmp_path, task):
    bundle = read_bundle(converted / f"{TASKS[task]}_rknn_model")
    camera = bundle.only(replace(bundle.artifacts[0], soc="rv1106", layout="grid"))
    [program] = re.findall(r"```cpp\n(.*?)```", make_card("me/x", [camera], None), re.DOTALL)
    (tmp_path / "main.cpp").write_text(program)
    words = ("-std=c++17", "-I", ROOT / "cpp/include", tmp_path / "main.cpp", "-o", tmp_path / "mine")
    subprocess.run(["c++", *words, built / "libe2erknn.so", f"-Wl,-rpath,{built}"], check=True)
    env = dict(os.environ, E2ERKNN_STANDIN=str(recorded(task, "int16 grid, blocks of 8")), E2ERKNN_STANDIN_ANY="1")
    env["E2ERKNN_RKNNRT"] = str(built / "tests" / "librknnrt.so")
    done = subprocess.run([tmp_path / "mine", simulated[task].model], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"\w+ 0\.\d\d at \(\d+, \d+\) to \(\d+, \d+\)", lines[0])
    assert EXTRA[task] is None or re.fullmatch(EXTRA[task], lines[1])


@pytest.mark.skipif(STATIC, reason="drawn once")
def test_a_lone_file_draws_its_skeleton(built, recorded, simulated, tmp_path):
    """The skeleton comes out of the custom string: nothing lies beside the file."""
    one, told = simulated["pose"], recorded("pose", "fp16 grid, blocks of 8")
    silent = shutil.copytree(told, tmp_path / "silent")
    text = re.sub(r',"skeleton":\[\[.*?\]\]', "", (told / "custom.json").read_text())
    (silent / "custom.json").write_text(text)
    assert '"skeleton"' in (told / "custom.json").read_text() and '"skeleton"' not in text
    lone = shutil.copy(one.model, tmp_path / "lone.rknn")
    drawn = {}
    for name, model, folder in (("beside", one.model, silent), ("lone", lone, told), ("neither", lone, silent)):
        env = dict(os.environ, E2ERKNN_STANDIN=str(folder), E2ERKNN_RKNNRT=str(built / "tests" / "librknnrt.so"))
        words = [*RUNNER, built / "app" / "e2erknn-run", model, one.pictures[0], "--out", tmp_path / name]
        subprocess.run(words, env=env, check=True, capture_output=True)
        drawn[name] = read_image(next((tmp_path / name).iterdir())).astype(int)
    np.testing.assert_array_equal(drawn["lone"], drawn["beside"])
    assert (np.abs(drawn["lone"] - drawn["neither"]).max(2) > 60).sum() > 50
