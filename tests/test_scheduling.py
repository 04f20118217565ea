"""Tests of a file run in one process where there are several: what one has built the others use."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = ("tests/test_names.py", "tests/test_socs.py", "tests/cpp/test_cpp_decode.py", "tests/cpp/test_cpp_letterbox.py")


@pytest.mark.slow
def test_tests_of_a_file_run_in_one_process_and_those_of_the_cpp_part_too():
    pytest.importorskip("xdist")
    command = [sys.executable, "-m", "pytest", "-n", "2", "-v", "-k", "soc or names or size", *FILES]
    out = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    ran = re.findall(r"^\[(gw\d)\].* (tests/(?:cpp/|[\w.]+))", out.stdout, re.MULTILINE)
    processes = {what: {process for process, other in ran if other == what} for _, what in ran}
    assert len(processes) == 3 and len(ran) > 40, out.stdout[-2000:]
    assert all(len(one) == 1 for one in processes.values()), processes
