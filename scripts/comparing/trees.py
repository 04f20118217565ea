"""Commits checked out side by side, and what each builds with its own command line.

Processes run without the randomness that can be had away: hashes, addresses, and what memory holds before it is
written to (on rv1106 the compiler leaves out what happens to be 0 there, so that even sizes differ). Addresses stay
random in one build, which shows where the compiler leaves one in a file. Linux only.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import typer
import yaml
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
STARTERS = ("shapes", "shapes-pose", "shapes-seg", "shapes-obb")  # calibrated with what they draw
CALIBRATION_PICTURES = 12
ADDR_NO_RANDOMIZE = 0x0040000  # of linux/personality.h; where it is forbidden the mask of a .rknn is larger
# Nothing from the network, equal hashes, and fresh memory that always holds the same.
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONSAFEPATH": "1",
    "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0:glibc.malloc.perturb=85",
}
# Run in each tree: bundle, SoC, file for the raw outputs, pictures. Detections go to stdout.
SIMULATE = """
import json, sys
from pathlib import Path
import numpy as np, yaml
from PIL import Image
from rknn_zoo_e2e import load

bundle, soc, into, *pictures = sys.argv[1:]
height, width = yaml.safe_load(Path(bundle, "metadata.yaml").read_text())["imgsz"]
arrays, detections = {}, {}
with load(bundle, backend="simulator", soc=soc) as predictor:
    for path in map(Path, pictures):
        rgb = np.asarray(Image.open(path).convert("RGB").resize((width, height)))
        arrays |= {f"{path.name} output {index}": output for index, output in enumerate(predictor.infer(rgb))}
        detections[path.name] = predictor(path).to_dict()["detections"]
np.savez(into, **arrays)
print(json.dumps(detections))
"""


@dataclass(frozen=True)
class Job:
    """What is asked of a tree: a model, for these SoCs, with these pictures."""

    model: str
    socs: tuple[str, ...]
    calibration: Path
    pictures: tuple[Path, ...]

    @property
    def arguments(self) -> list[str]:
        """Of ``convert``."""
        own = [] if self.model in STARTERS else ["--calib", str(self.calibration)]
        socs = [word for soc in self.socs for word in ("--soc", soc)]
        return ["convert", self.model, *socs, *own, "--calib-images", str(CALIBRATION_PICTURES), "--json"]


class Built:
    """What one tree made of a job, in a folder: ``done.json``, the bundle, and raw outputs for each SoC."""

    def __init__(self, folder: Path, socs: Sequence[str]) -> None:
        self.folder, self.socs = folder, socs
        self.done: dict[str, Any] = json.loads((folder / "done.json").read_text("utf-8"))

    @cached_property
    def bundle(self) -> Path | None:
        return next(self.folder.glob("*_rknn_model"), None)

    @cached_property
    def metadata(self) -> dict[str, Any]:
        metadata: dict[str, Any] = yaml.safe_load(self.read("metadata.yaml"))
        return metadata

    def read(self, name: str) -> bytes:
        """A file of the bundle, empty where it is not there."""
        path = (self.bundle or self.folder) / name
        return path.read_bytes() if name and path.is_file() else b""

    def document(self, step: str) -> Any:
        """The JSON that one of the things run printed."""
        return self.done[step]["document"]

    @property
    def codes(self) -> dict[str, int]:
        """Exit codes by what was run."""
        return {step: said["exit code"] for step, said in self.done.items()}

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.bundle.iterdir()) if self.bundle else []

    def artifact(self, soc: str) -> dict[str, Any]:
        return next((a for a in self.metadata["artifacts"] if a["soc"] == soc), {})

    def outputs(self, soc: str) -> dict[str, NDArray[Any]]:
        path = self.folder / f"{soc}.npz"
        return dict(np.load(path)) if path.exists() else {}


class Tree:
    """A commit, checked out."""

    def __init__(self, folder: Path, commit: str) -> None:
        self.folder, self.commit = folder, commit
        origin = self.python(folder.parent, "-c", "import rknn_zoo_e2e; print(rknn_zoo_e2e.__file__)").stdout
        if folder not in Path(origin).parents:
            raise RuntimeError(f"{commit} is not what its own tree runs: {origin or 'it cannot be imported'}")

    def python(self, folder: Path, *arguments: str, scattered: bool = False) -> subprocess.CompletedProcess[str]:
        """This interpreter with the tree's package, in a working folder; its workers inherit all of that.

        Args:
            scattered: leave addresses as random as they are.
        """
        environment = os.environ | ENVIRONMENT | {"PYTHONPATH": str(self.folder)}
        libc = ctypes.CDLL(None)
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            preexec_fn=None if scattered else lambda: libc.personality(ADDR_NO_RANDOMIZE),
        )

    def build(self, job: Job, folder: Path, scattered: bool = False) -> Built:
        """Converts, inspects and simulates; what is in the folder already is not made again.

        Args:
            scattered: leave addresses as random as they are, so that what holds one is seen to differ.
        """
        if not (folder / "done.json").exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a run that was interrupted
            folder.mkdir(parents=True)
            tell(f"{self.commit[:12]}: {job.model} into {folder}")
            command = "-m", "rknn_zoo_e2e"
            done = {"convert": result(self.python(folder, *command, *job.arguments, scattered=scattered))}
            if bundle := next(folder.glob("*_rknn_model"), None):
                done["inspect"] = result(self.python(folder, *command, "inspect", bundle.name, "--json"))
                for soc in job.socs:
                    pictures = map(str, job.pictures)
                    ran = self.python(folder, "-c", SIMULATE, bundle.name, soc, f"{soc}.npz", *pictures)
                    done[f"simulate {soc}"] = result(ran)
            (folder / "new.json").write_text(json.dumps(done), "utf-8")
            (folder / "new.json").rename(folder / "done.json")
        return Built(folder, job.socs)


def result(ran: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The exit code and the document of a process; what it said where it has none."""
    if ran.returncode:
        tell(ran.stderr[-2000:])
    return {"exit code": ran.returncode, "document": json.loads(ran.stdout) if ran.stdout.strip() else ran.stderr}


@contextmanager
def checked_out(commit: str) -> Iterator[Tree]:
    """A worktree of a commit for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="e2erknn-compare-") as folder:
        place = str(Path(folder).resolve() / "tree")
        try:
            git("worktree", "add", "--quiet", "--detach", place, commit)
            yield Tree(Path(place), commit)
        finally:
            subprocess.run(["git", "-C", str(ROOT), "worktree", "remove", "--force", place], stderr=subprocess.DEVNULL)


def git(*arguments: str) -> str:
    """What git says. Raises :class:`typer.BadParameter` where it refuses."""
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True)
    if done.returncode:
        raise typer.BadParameter(done.stderr.strip())
    return done.stdout.strip()


def tell(text: str) -> None:
    typer.echo(text, err=True)
