"""``e2erknn convert``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rknn_zoo_e2e.cli.output import Debug, Json, Quiet, emit, note
from rknn_zoo_e2e.errors import UserError

if TYPE_CHECKING:
    from rknn_zoo_e2e.convert.pipeline import Conversion


def parse_imgsz(text: str | None) -> tuple[int, int] | None:
    """``640``, ``480,640`` or ``480x640`` to (height, width)."""
    if text is None:
        return None
    parts = text.lower().replace("x", ",").split(",")
    if len(parts) not in (1, 2) or not all(part.strip().isdigit() for part in parts):
        raise typer.BadParameter("give a side (640) or height,width (480,640) in px")
    return int(parts[0]), int(parts[-1])


def convert(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Zoo names or .pt files.")],
    soc: Annotated[list[str], typer.Option("--soc", help="Rockchip SoC; repeat for several.")],
    precision: Annotated[str, typer.Option(help="int8 or fp16.")] = "int8",
    imgsz: Annotated[str | None, typer.Option(help="Input side, or height,width, in px. Default: as trained.")] = None,
    calib: Annotated[
        Path | None, typer.Option(help="Calibration pictures: a folder, a data.yaml or a list.txt.")
    ] = None,
    calib_images: Annotated[int, typer.Option(min=1, help="How many of them to use.")] = 40,
    layout: Annotated[
        str, typer.Option(help="flat: (1, C, A), Ultralytics' order. grid: (1, C, H, W), no op on the CPU.")
    ] = "flat",
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Builds side by side.")] = 1,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder the bundles go into.")] = Path("."),
    verify: Annotated[bool, typer.Option("--verify/--no-verify", help="Compare each build with fp32.")] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a bundle made from something else.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Build a verified RKNN bundle from YOLO checkpoints.

    Example: e2erknn convert yolov8n-pose --soc rk3566 --soc rk3588 --calib pictures/ --jobs 2
    """
    from rknn_zoo_e2e.cli.progress import StageProgress
    from rknn_zoo_e2e.convert.pipeline import convert as run
    from rknn_zoo_e2e.convert.recipe import Options
    from rknn_zoo_e2e.soc import find_soc
    from rknn_zoo_e2e.zoo import resolve

    options = Options(
        socs=tuple(dict.fromkeys(find_soc(name) for name in soc)),
        precision=precision.lower(),
        imgsz=parse_imgsz(imgsz),
        calib=calib,
        calib_images=calib_images,
        layout=layout.lower(),
        jobs=jobs,
        out=out,
        verify=verify,
        overwrite=overwrite,
    )
    options.check()
    done: list[Conversion] = []
    with StageProgress() as progress:
        sources = [resolve(model, progress.stage) for model in models]
        for source in sources:
            done.append(run(source, options, progress))
    report(done)


def report(done: list[Conversion]) -> None:
    """Tables and the next command, or the JSON document; exits 1 if anything failed or disagrees with fp32."""
    from rknn_zoo_e2e.cli.tables import artifact_table

    documents = []
    for conversion in done:
        document = conversion.bundle.report()
        wanted = {a.file for a in conversion.wanted}
        document["artifacts"] = [a for a in document["artifacts"] if a["file"] in wanted]
        document["reused"] = [a.file for a in conversion.reused]
        document["failed"] = {soc: {"what": e.what, "fix": e.fix} for soc, e in conversion.failed.items()}
        document["stages"] = conversion.seconds
        documents.append(document)
        for artifact in conversion.reused:
            note(f"{artifact.file} is up to date and was reused.")
    shown = [part for c in done for part in (artifact_table(c.bundle, c.wanted), f"Bundle: {c.bundle.path}")]
    if all(c.passed for c in done):
        shown.append(f"Next: e2erknn demo IMAGE --model {shlex.quote(str(done[-1].bundle.path))}")
    emit(documents[0] if len(documents) == 1 else documents, *shown)
    failures = [error for c in done for error in c.failed.values()]
    if failures:
        raise failures[0]
    off = [(c.bundle, a) for c in done for a in c.wanted if not a.parity.get("passed", True)]
    if off:
        path = off[0][0].path
        raise UserError(
            f"{len(off)} build(s) disagree with fp32 more than they should: {', '.join(a.file for _, a in off)}.",
            f"More or other --calib pictures, or --precision fp16, help; see: e2erknn inspect {shlex.quote(str(path))}",
        )
