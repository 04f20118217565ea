"""A short run of ``scripts/fuzz.py``: bad inputs of every kind end in a refusal or are used, and in nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
FUZZ = [sys.executable, str(ROOT / "scripts" / "fuzz.py")]
KINDS = (
    "checkpoints",
    "foreign",
    "bundles",
    "metadata",
    "pictures",
    "videos",
    "tensors",
    "lists",
    "addresses",
    "odd names",
    "command lines",
)


def test_bad_inputs_of_every_kind(converted: Path):
    out = subprocess.run([*FUZZ, "--count", "300", "--bundles", converted], capture_output=True, text=True)
    assert out.returncode == 0, out.stdout + out.stderr
    counts = {kind: re.search(rf"{kind}\s+│\s+(\d+)", out.stdout) for kind in KINDS}
    assert all(count and int(count[1]) >= 6 for count in counts.values()), out.stdout
    assert "nothing went wrong" in out.stdout


@pytest.fixture
def attempt(monkeypatch, tmp_path: Path):
    """Judges something that was tried."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    from fuzzing import harness

    def judged(call) -> dict[str, str]:
        return harness.judge(
            "test", 0, lambda folder: harness.Attempt(call, secrets=("hunter2",)), tmp_path / "attempt"
        ).faults

    monkeypatch.setattr(harness, "LIMIT", 3.0)
    return judged


def crash() -> None:
    import os
    import signal

    os.kill(os.getpid(), signal.SIGSEGV)


def hang() -> None:
    import time

    time.sleep(60)


FAULTS = {
    "traceback": lambda: 1 / 0,
    "crash": crash,
    "hang": hang,
    "outside": lambda: Path("../in/new").write_text("an input changed"),
    "secret": lambda: os.write(1, b"https://me:hunter2@host"),
    "secret in a name": lambda: Path("hunter2.jpg.json").touch(),
    "half-written": lambda: Path(".shapes.part.jpg").write_text("left behind"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_it_notices(attempt, fault: str):
    assert list(attempt(FAULTS[fault])) == [fault.split()[0]]


def test_it_notices_what_is_written_elsewhere(attempt, tmp_path: Path):
    assert "outside" in attempt(lambda: (tmp_path / "elsewhere").write_text("x"))
    assert (tmp_path / "elsewhere").exists()


def test_what_goes_well_leaves_nothing(attempt, tmp_path: Path):
    assert attempt(lambda: print("fine")) == {} and not (tmp_path / "attempt").exists()
