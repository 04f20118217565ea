"""What docs/cpp.md tells people to type builds, and its program runs."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from native import RUNNER, STATIC

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "cpp.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCS, re.S)


def do(*command: object, **options) -> subprocess.CompletedProcess:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.mark.skipif(bool(RUNNER) or STATIC, reason="built once, for this processor")
@pytest.mark.parametrize("way", ["find_package", "add_subdirectory"])
def test_the_documented_program_builds_and_runs(built, recorded, simulated, tmp_path, way):
    (program,) = blocks("cpp")
    (lists,) = (text for text in blocks("cmake") if way in text)
    assert len([line for line in program.splitlines() if line.strip()]) <= 16
    (tmp_path / "main.cpp").write_text(program)
    (tmp_path / "CMakeLists.txt").write_text(lists)
    arguments = []
    if way == "find_package":
        do("cmake", "--install", built, "--prefix", tmp_path / "installed")
        assert not list((tmp_path / "installed").glob("**/*standin*"))
        arguments = [f"-DCMAKE_PREFIX_PATH={tmp_path / 'installed'}"]
    else:
        (tmp_path / "cpp").symlink_to(ROOT / "cpp")
    do("cmake", "-S", tmp_path, "-B", tmp_path / "b", *arguments)
    do("cmake", "--build", tmp_path / "b", "--parallel", "2")
    env = dict(os.environ, E2ERKNN_STANDIN=str(recorded("detect", "fp16 flat")), E2ERKNN_STANDIN_ANY="1")
    env["E2ERKNN_RKNNRT"] = str(built / "tests" / "librknnrt.so")
    done = do(tmp_path / "b" / "mine", simulated["detect"].model, env=env)
    assert re.match(r"\w+ 0\.\d\d at \d+ \d+ \d+ \d+\n", done.stdout)


def test_no_vendor_header_no_foreign_source_and_every_file_names_the_licence():
    files = [p for p in (ROOT / "cpp").glob("**/*") if p.suffix in (".hpp", ".h", ".cpp", ".c")]
    assert len(files) > 50
    for path in files:
        text = path.read_text()
        assert "cpp/LICENSE-EXCEPTION" in text, path
        assert not re.search(r"rknn_api|iostream|<regex>|<filesystem>|stb_", text), path
