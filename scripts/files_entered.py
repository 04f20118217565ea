"""How many files of the package a picture and a checkpoint pass through: python scripts/files_entered.py [COMMIT]

A file counts where one of its functions is called, not where it is imported only: neither its top level and its class
bodies nor the functions that these call while a module is imported. Generators, properties and what dataclasses compile
are functions; only the last have no file and are not counted.

    picture       ``predictor(file)`` on a loaded model (a starter model's ONNX file), then ``draw`` and ``to_dict``
    demo          ``e2erknn demo`` of one picture, from the command line on, its loading too
    checkpoint    ``e2erknn convert`` of a starter model for one SoC, verified, the worker processes too

Every process is traced from its start by a ``sitecustomize`` put in front of its path, which writes a line as soon as a
file is entered: workers are killed when they are done. Of a commit its own command line and package run, else those of
the working tree. Markdown on stdout, or JSON with --json. Linux only.
"""

from __future__ import annotations

import json as jsonlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from comparing.trees import ROOT, checked_out

# Tells the file named by FILES_ENTERED of each file of the package at its first call: "process|phase|file".
TRACER = """
import inspect, os, sys, threading

into = os.open(os.environ["FILES_ENTERED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
package = os.path.join(os.environ["FILES_ENTERED_TREE"], "rknn_zoo_e2e", "")
modules = [word for word in sys.orig_argv if word.startswith("rknn_zoo_e2e")]
process = modules[-1] if modules else "python"
phase, seen = os.environ.get("FILES_ENTERED_PHASE", ""), set()


def importing(frame):
    while frame := frame.f_back:
        if frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__") != "__main__":
            return True
    return False


def enter(frame, event, argument):
    code = frame.f_code
    if code.co_filename.startswith(package) and (phase, code.co_filename) not in seen:
        if code.co_flags & inspect.CO_OPTIMIZED and not importing(frame):
            seen.add((phase, code.co_filename))
            os.write(into, f"{process}|{phase}|{code.co_filename[len(package):]}\\n".encode())


threading.settrace(enter)
sys.settrace(enter)
"""
PICTURE = """
import sys
import numpy as np
from PIL import Image
import sitecustomize
from rknn_zoo_e2e import load

bundle, picture = sys.argv[1:]
with load(bundle, backend="onnx") as predictor:
    image = np.asarray(Image.open(picture).convert("RGB"))
    sitecustomize.phase = "picture: predict"
    result = predictor(picture)
    sitecustomize.phase = "picture: draw"
    result.draw(image)
    sitecustomize.phase = "picture: to_dict"
    assert result.to_dict()["detections"]
    sitecustomize.phase = ""
"""
MODEL, SOC = "shapes", "rk3566"


class Traced:
    """A tree whose package is traced.

    Args:
        folder: to work in.
    """

    def __init__(self, tree: Path, folder: Path) -> None:
        self.tree, self.folder, self.told = tree, folder, folder / "entered.txt"
        (folder / "sitecustomize.py").write_text(TRACER, "utf-8")

    def run(self, phase: str, *arguments: str) -> None:
        """Runs this interpreter. Raises CalledProcessError where it fails."""
        environment = os.environ | {
            "PYTHONPATH": f"{self.folder}{os.pathsep}{self.tree}",
            "PYTHONSAFEPATH": "1",
            "FILES_ENTERED": str(self.told),
            "FILES_ENTERED_TREE": str(self.tree),
            "FILES_ENTERED_PHASE": phase,
        }
        typer.echo(f"tracing: {phase or 'picture'}", err=True)
        subprocess.run([sys.executable, *arguments], cwd=self.folder, env=environment, stdout=sys.stderr, check=True)

    def entered(self) -> dict[str, list[str]]:
        """Files by phase, a worker process a phase of its own."""
        found: dict[str, set[str]] = {}
        for line in self.told.read_text("utf-8").splitlines():
            process, phase, file = line.split("|")
            worker = "" if process in ("rknn_zoo_e2e", "python") else f", {process}"
            if phase:
                found.setdefault(phase + worker, set()).add(file)
        return {phase: sorted(files) for phase, files in found.items()}


def measure(tree: Path, folder: Path) -> dict[str, list[str]]:
    """Files by phase of a tree's package."""
    traced, picture = Traced(tree, folder), str(tree / "models" / "sample.jpg")
    command = ("-m", "rknn_zoo_e2e")
    traced.run("checkpoint", *command, "convert", MODEL, "--soc", SOC, "--calib-images", "8", "--quiet")
    (bundle,) = (path.name for path in folder.glob("*_rknn_model"))
    traced.run("", "-c", PICTURE, bundle, picture)
    traced.run("demo", *command, "demo", picture, "--model", bundle, "--backend", "onnx", "--quiet")
    return traced.entered()


def ways(entered: dict[str, list[str]]) -> dict[str, list[str]]:
    """Files by way: the phases of a picture and the processes of a checkpoint taken together."""
    found: dict[str, set[str]] = {}
    for phase, files in entered.items():
        found.setdefault(phase.split(":")[0].split(",")[0], set()).update(files)
    return {way: sorted(files) for way, files in sorted(found.items())}


def table(counts: dict[str, list[str]]) -> Iterable[str]:
    yield from (f"| {what} | {len(files)} | {', '.join(files)} |" for what, files in counts.items())


def main(
    commit: Annotated[str | None, typer.Argument(help="Default: the working tree.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Counts the files of the package that are entered."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="e2erknn-entered-"))).resolve()
        entered = measure(stack.enter_context(checked_out(commit)).folder if commit else ROOT, folder)
    if json:
        typer.echo(jsonlib.dumps({"ways": ways(entered), "phases": entered}))
        return
    typer.echo("\n".join(["| way or phase | files | which |", "|---|---|---|", *table(ways(entered)), *table(entered)]))


if __name__ == "__main__":
    typer.run(main)
