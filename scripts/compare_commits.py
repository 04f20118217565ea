#!/usr/bin/env python3
"""Proves that a refactoring changed no behaviour: what two commits of this project build, compared to the byte.

    python scripts/compare_commits.py main HEAD shapes shapes-obb --soc rk3566 --keep proof

Each commit is checked out into a temporary git worktree and its own command line run there. OLD converts every model
twice, the second time with random addresses: where these two differ the compiler leaves addresses in a file. What
--keep holds is not built again. Markdown on stdout, or JSON with --json; exit code 1 on any difference. Linux only.
"""

from __future__ import annotations

import json as jsonlib
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import onnx
import typer
from comparing.equality import (
    Verdict,
    blanked,
    compare_arrays,
    compare_bytes,
    compare_documents,
    compare_rknn,
    compare_sizes,
)
from comparing.renaming import Renaming, compare_renamed
from comparing.trees import ROOT, STARTERS, Built, Job, checked_out, git

MODELS = (*STARTERS, "yolov8n", "yolo11n", "yolo26n-pose")
SOCS = ("rk3566", "rv1106")
PICTURES = 6


@dataclass(frozen=True)
class Row:
    """One check; ``soc`` is "" where it concerns all of them."""

    model: str
    soc: str
    check: str
    equal: bool
    what: str


def rows_of(model: str, old: Built, again: Built, new: Built, renamed: bool) -> Iterator[Row]:
    """All checks of one model; of what differs it is said whether it does between two builds of OLD, too."""
    own = {(soc, check): verdict.equal for soc, check, verdict in checks(old, again, again, renamed=False)}
    for soc, check, (equal, what) in checks(old, again, new, renamed):
        unsteady = not equal and not own.get((soc, check), True)
        yield Row(model, soc, check, equal, what + " (so do two builds of OLD)" * unsteady)


def checks(old: Built, again: Built, new: Built, renamed: bool) -> Iterator[tuple[str, str, Verdict]]:
    """SoC, what is compared, and what came of it."""
    codes = compare_documents(old.codes, new.codes)
    yield "", "exit codes", Verdict(True, f"equal: {said(old.codes)}") if codes.equal else codes
    if not (old.bundle and new.bundle):  # then it proves nothing, even where both say the same
        convert = compare_documents(old.document("convert"), new.document("convert"))
        yield "", "convert --json", Verdict(False, f"there is no bundle; {convert.what}")
        return
    renamings: dict[str, Renaming | None] = {}
    for soc in ("", *old.socs):  # of all SoCs, and of those that have a graph of their own
        names = [built.artifact(soc).get("graph", "") if soc else "model.onnx" for built in (old, new)]
        one, two = old.read(names[0]), new.read(names[1])
        own = Renaming(*map(onnx.load_from_string, (one, two))) if renamed and one and two else None
        renamings[soc] = own or renamings.get("")
        if one or two:
            yield soc, "graph" if soc else "model.onnx", own.verdict if own else compare_bytes(one, two)
    yield "", "labels.txt", compare_bytes(old.read("labels.txt"), new.read("labels.txt"))
    yield "", "files", compare_renamed(old.files, new.files, renamings[""])
    documents = [("metadata.yaml", old.metadata, new.metadata)]
    for step in ("convert", "inspect"):
        documents.append((f"{step} --json", old.document(step), new.document(step)))
    for name, x, y in documents:
        yield "", name, compare_renamed(blanked(x, {"artifacts"}), blanked(y, {"artifacts"}), renamings[""])
    for soc in old.socs:
        a, b = old.artifact(soc), new.artifact(soc)
        for name, x, y in documents:
            yield soc, name, compare_renamed(entries(x, soc), entries(y, soc), renamings[soc])
        for key in ("hybrid", "placement"):
            yield soc, key, compare_renamed(a.get(key), b.get(key), renamings[soc])
        yield soc, "calibration", calibrations(old, new, soc, (renamings[soc], renamings[""]))
        rknn = [built.read(built.artifact(soc).get("file", "")) for built in (old, again, new)]
        yield soc, ".rknn", compare_sizes(rknn[0], rknn[2]) if renamed else compare_rknn(*rknn)
        yield soc, "outputs", compare_arrays(old.outputs(soc), new.outputs(soc))
        yield soc, "detections", compare_documents(old.document(f"simulate {soc}"), new.document(f"simulate {soc}"))


def said(codes: dict[str, int]) -> str:
    return ", ".join(f"{step} {code}" for step, code in codes.items())


def entries(document: dict[str, Any], soc: str) -> list[Any]:
    """What a document says of one SoC."""
    return [artifact for artifact in document.get("artifacts", []) if artifact["soc"] == soc]


def calibrations(old: Built, new: Built, soc: str, renamings: Sequence[Renaming | None]) -> Verdict:
    """The files with the ranges; they were measured on the SoC's own graph, or on everybody's."""
    one, two = (built.read(built.artifact(soc).get("calibration", "")) for built in (old, new))
    if renamings[0] is None or not (one and two):
        return compare_bytes(one, two)
    verdicts = [compare_renamed(jsonlib.loads(one), jsonlib.loads(two), renaming) for renaming in renamings]
    return next((verdict for verdict in verdicts if verdict.equal), verdicts[0])


def markdown(rows: Sequence[Row]) -> str:
    lines = [f"| {row.model} | {row.soc or 'all'} | {row.check} | {row.what} |" for row in rows]
    return "\n".join(["| model | SoC | check | result |", "|---|---|---|---|", *lines])


def main(
    old: Annotated[str, typer.Argument(help="Commit before the change.")],
    new: Annotated[str, typer.Argument(help="Commit after it.")],
    models: Annotated[list[str] | None, typer.Argument(metavar="[MODEL]...", help="Zoo names or .pt files.")] = None,
    soc: Annotated[list[str] | None, typer.Option("--soc", help="Rockchip SoC; repeat.")] = None,
    renamed: Annotated[bool, typer.Option("--renamed", help="NEW calls tensors otherwise, on purpose.")] = False,
    keep: Annotated[
        Path | None, typer.Option(help="Folder in which builds are kept, by commit; one for each --pictures.")
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="Folder of pictures to calibrate with and to run. Default: E2ERKNN_DATA's.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Compares what two commits build."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that worktrees are removed
    calibration = (pictures or Path(os.environ.get("E2ERKNN_DATA", ""), "calib-coco")).resolve()
    shown = [*sorted((ROOT / "models").glob("sample*.jpg")), *sorted(calibration.glob("*.jpg"))][:PICTURES]
    if len(shown) < PICTURES:
        raise typer.BadParameter(f"{calibration} holds too few pictures: set E2ERKNN_DATA, or give --pictures.")
    commits = [git("rev-parse", "--verify", f"{name}^{{commit}}") for name in (old, new)]
    third = 3 if commits[0] == commits[1] else 1  # a commit compared with itself is built once more
    rows: list[Row] = []
    with ExitStack() as stack:
        kept = (keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))).resolve()
        before, after = (stack.enter_context(checked_out(commit)) for commit in commits)
        for model in models or MODELS:
            model = str(Path(model).resolve()) if model.endswith(".pt") else model
            job = Job(model, tuple(soc or SOCS), calibration, tuple(shown))
            name = "-".join([Path(model).stem, *job.socs])
            first, again, last = (
                tree.build(job, kept / tree.commit[:12] / f"{name}-{number}", scattered=number == 2)
                for tree, number in ((before, 1), (before, 2), (after, third))
            )
            rows += rows_of(Path(model).stem, first, again, last, renamed)
    apart = sum(not row.equal for row in rows)
    summary = f"{commits[0][:12]} -> {commits[1][:12]}: {len(rows)} checks, {apart} differ."
    document = {"old": commits[0], "new": commits[1], "differ": apart, "rows": [asdict(row) for row in rows]}
    typer.echo(jsonlib.dumps(document) if json else f"{markdown(rows)}\n\n{summary}")
    raise typer.Exit(bool(apart))


if __name__ == "__main__":
    typer.run(main)
