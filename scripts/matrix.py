"""Which Pythons, versions of Ultralytics and of rknn-toolkit2 this works with: the tests they can break, and a table.

    python scripts/matrix.py                                    # each row of ROWS
    python scripts/matrix.py --row 3.12 8.4.190 2.5.0           # Python, Ultralytics, toolkit

Each Python gets an environment of its own with what ``.[convert,test]`` brings (6 GB each, some minutes); a Python that
is not on this machine is a row that says so. Ultralytics and the toolkit are put in front of it from folders of their
own, without what they depend on. So a row is a minute or more of tests instead of another 6 GB.

The first column of results is the tests, the second ``mypy`` for that Python's standard library.
"""

from __future__ import annotations

import argparse
import glob
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What a version of Python, Ultralytics or the toolkit can break: loading, heads, export, build, simulator, mAP.
TESTS = (
    "base",
    "test_drift.py",
    "test_checkpoint.py",
    "test_heads.py",
    "test_attention.py",
    "test_toolkit.py",
    "test_ranges.py",
    "test_grids.py",
    "test_convert.py::test_report_has_the_documented_shape",
    "test_convert.py::test_demo_in_the_simulator_agrees_with_fp32",
    "test_eval.py",
    "test_ultralytics.py",
    "test_report.py",
)
NOT_OF_THE_ROW = "not installed_versions_are_inside"  # that is what rows are for
ROWS = (
    ("3.11", "8.4.190", "2.3.2"),
    ("3.10", "8.4.190", "2.3.2"),
    ("3.12", "8.4.190", "2.3.2"),
    ("3.11", "8.4.178", "2.3.2"),
    ("3.11", "8.4.190", "2.5.0"),
)


@dataclass
class Row:
    """One combination, and what came of it."""

    python: str
    ultralytics: str
    toolkit: str
    tests: str = "-"
    types: str = "-"
    seconds: float = 0.0

    @property
    def cells(self) -> tuple[str, ...]:
        return self.python, self.ultralytics, self.toolkit, self.tests, self.types, f"{self.seconds:.0f}"


def interpreter(version: str) -> str | None:
    """The path of a Python, such as "3.12", on this machine."""
    kept = sorted(glob.glob(os.path.expanduser(f"~/.pyenv/versions/{version}.*/bin/python")))
    return shutil.which(f"python{version}") or (kept[-1] if kept else None)


def environment(folder: Path, version: str) -> Path | None:
    """The Python of an environment with the project in it, made where it is not there; None without that Python."""
    python, source = folder / f"python{version}/bin/python", interpreter(version)
    if python.exists():
        return python
    if source is None:
        return None
    subprocess.run([source, "-m", "venv", python.parent.parent], check=True)
    pip(python, "-e", f"{ROOT}[convert,test]")
    return python


def pip(python: Path, *arguments: str) -> None:
    subprocess.run([python, "-m", "pip", "install", "--quiet", *arguments], check=True, stdout=sys.stderr)


def overlay(folder: Path, python: Path, version: str, package: str, wanted: str) -> Path:
    """A folder with one version of one package for one Python, to be put in front of an environment."""
    target = folder / f"{package}-{wanted}-py{version}"
    if not target.exists():
        pip(python, "--no-deps", "--target", str(target), f"{package}=={wanted}")
    return target


def try_row(folder: Path, row: Row) -> None:
    """Fills in what came of it."""
    start = time.monotonic()
    python = environment(folder, row.python)
    if python is None:
        row.tests = "no such Python here"
        return
    fronts = [
        overlay(folder, python, row.python, package, wanted)
        for package, wanted in (("ultralytics", row.ultralytics), ("rknn-toolkit2", row.toolkit))
    ]
    paths = os.pathsep.join(map(str, [*fronts, ROOT]))
    files = [str(ROOT / "tests" / name) for name in TESTS]
    log = folder / f"{'-'.join((row.python, row.ultralytics, row.toolkit))}.log"
    with log.open("w") as file:
        command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", NOT_OF_THE_ROW, *files]
        done = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": paths}, stdout=file, stderr=file)
    last = re.findall(r"^=*\s*(\d.*(?:passed|failed|error).*?) in ", log.read_text(), re.MULTILINE)
    row.tests = last[-1] if last else f"exit code {done.returncode}, see {log}"
    checked = subprocess.run([python, "-m", "mypy", "--python-version", row.python], cwd=ROOT, capture_output=True)
    row.types = "ok" if checked.returncode == 0 else "fails"
    row.seconds = time.monotonic() - start


def main() -> int:
    """Prints the table; 1 if a row failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", nargs=3, action="append", metavar=("PYTHON", "ULTRALYTICS", "TOOLKIT"))
    parser.add_argument("--folder", type=Path, default=ROOT / ".test/matrix", help="environments and logs go here")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    rows = [Row(*row) for row in arguments.row or ROWS]
    print("| Python | Ultralytics | toolkit | tests | types | s |\n|---|---|---|---|---|---|", flush=True)
    for row in rows:
        try_row(folder, row)
        print(f"| {' | '.join(row.cells)} |", flush=True)
    return int(any("passed" not in row.tests or "failed" in row.tests or row.types != "ok" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
