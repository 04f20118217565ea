"""Throws bad inputs of every kind at the command line and counts what comes of it.

    python scripts/fuzz.py --count 10000 --seed 1
    python scripts/fuzz.py --kind bundles --number 137 --keep again/     # one attempt again

Each attempt is a process of its own with its own home, temporary and working folder. A refusal in our own words and
success are both fine; a traceback, a crash, a hang, a file half written or anywhere but in the chosen folders is not.
Equal seeds make equal inputs. Linux only.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Annotated

import typer
from fuzzing.harness import Verdict, judge
from fuzzing.kinds import KINDS
from fuzzing.material import Material
from fuzzing.media import PICTURES
from fuzzing.tensors import TENSORS
from rich.console import Console
from rich.progress import track
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
GROUPED = {"pictures": PICTURES, "tensors": TENSORS}  # inputs an attempt, where not one
# One thread a library, for children forked side by side; nothing outside is reached.
QUIET = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "HF_HUB_OFFLINE": "1", "E2ERKNN_RELEASES": "http://127.0.0.1:9", "E2ERKNN_WEIGHTS": "", "NO_COLOR": "1",
    "YOLO_AUTOINSTALL": "False", "YOLO_OFFLINE": "True",
}  # fmt: skip


def prepare(folder: Path, bundles: Path | None) -> Material:
    """Good bundles, a picture and a video to make bad ones from."""
    import cv2
    import numpy as np

    from rknn_zoo_e2e.media.videowriter import VideoWriter

    if bundles is None:
        names = ("shapes", "shapes-pose", "shapes-seg", "shapes-obb")
        options = ("--soc", "rk3566", "--calib-images", "2", "--no-verify", "-j", "2", "-q", "-o", str(folder))
        subprocess.run([sys.executable, "-m", "rknn_zoo_e2e", "convert", *names, *options], check=True)
    else:
        for path in sorted(bundles.glob("*_rknn_model")):
            shutil.copytree(path, folder / path.name)
    shutil.copyfile(ROOT / "models" / "sample.jpg", folder / "picture.jpg")
    with VideoWriter(folder / "video.mp4", 10) as writer:
        for i in range(6):
            writer.write(np.ascontiguousarray(cv2.resize(np.full((4, 4, 3), 40 * i, np.uint8), (96, 64))))
    return Material(folder, ROOT / "models" / "weights")


def attempts(count: int, only: str | None) -> Iterator[tuple[str, int]]:
    """Kind and number of each attempt, the kinds mixed so that a short run sees all of them."""
    chosen = {only: 1.0} if only else {kind: share for kind, (_, share) in KINDS.items()}
    wanted = {kind: -(-int(count * share) // GROUPED.get(kind, 1)) for kind, share in chosen.items()}
    for number in range(max(wanted.values())):
        yield from ((kind, number) for kind in wanted if number < wanted[kind])


def attempt(job: tuple[str, int], seed: int, material: Material, base: Path) -> Verdict:
    """One attempt, judged."""
    kind, number = job
    rng = Random(f"{seed} {kind} {number}")
    make = KINDS[kind][0]
    return judge(kind, number, lambda folder: make(rng, material, folder), base / f"{kind.replace(' ', '-')}-{number}")


def table_of(verdicts: list[Verdict]) -> Table:
    """Counts by kind."""
    table = Table(title="Bad inputs", title_justify="left", caption_justify="left")
    for heading in ("kind", "inputs", "attempts", "refused", "used all the same", "wrong", "longest s"):
        table.add_column(heading, justify="left" if heading == "kind" else "right")
    for kind in KINDS:
        some = [v for v in verdicts if v.kind == kind]
        if some:
            refused, wrong = sum(v.refused and not v.faults for v in some), sum(bool(v.faults) for v in some)
            numbers = (sum(v.inputs for v in some), len(some), refused, len(some) - refused - wrong, wrong)
            table.add_row(kind, *map(str, numbers), f"{max(v.seconds for v in some):.1f}")
    return table


def main(
    count: Annotated[int, typer.Option(help="Bad inputs, of all kinds together.")] = 10_000,
    seed: int = 1,
    kind: Annotated[str | None, typer.Option(help=f"Only one of: {', '.join(KINDS)}.")] = None,
    number: Annotated[int | None, typer.Option(help="Only this attempt of the kind.")] = None,
    jobs: int = os.cpu_count() or 1,
    bundles: Annotated[Path | None, typer.Option(help="Folder with starter models' bundles; made without it.")] = None,
    keep: Annotated[
        Path | None, typer.Option(help="Folder for attempts that went wrong. Default: none is kept.")
    ] = None,
) -> None:
    """Throw bad inputs at the command line and count what comes of it.

    Example: python scripts/fuzz.py --count 1000 --kind pictures
    """
    os.environ.update(QUIET)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as temporary:
        base = keep.resolve() if keep else Path(temporary) / "attempts"
        base.mkdir(parents=True, exist_ok=True)
        good = Path(temporary) / "good"
        good.mkdir()
        material = prepare(good, bundles)
        # Imported once, here: the attempts are forks.
        import onnxruntime  # noqa: F401
        import ultralytics.nn.tasks  # noqa: F401

        import rknn_zoo_e2e.checkpoint.describe
        import rknn_zoo_e2e.cli.app
        import rknn_zoo_e2e.conversion.export  # noqa: F401

        jobs_ = [(kind, number)] if kind and number is not None else list(attempts(count, kind))
        work = partial(attempt, seed=seed, material=material, base=base)
        with multiprocessing.get_context("fork").Pool(jobs) as pool:
            done = pool.imap_unordered(work, jobs_)
            verdicts = list(track(done, "Trying", total=len(jobs_), console=Console(stderr=True)))
    console = Console(width=100)
    faults = Counter(fault for v in verdicts for fault in v.faults)
    for v in (v for v in verdicts if v.faults):
        for fault, seen in v.faults.items():
            console.print(f"{v.kind} {v.number}, {fault}: {seen}", markup=False, soft_wrap=True)
    console.print(table_of(verdicts))
    total = f"{sum(v.inputs for v in verdicts)} bad inputs in {time.monotonic() - start:.0f} s, seed {seed}"
    console.print(f"{total}: {', '.join(f'{n} {fault}' for fault, n in faults.items()) or 'nothing went wrong'}.")
    raise SystemExit(bool(faults))


app = typer.Typer(pretty_exceptions_enable=False)
app.command()(main)

if __name__ == "__main__":
    app()
