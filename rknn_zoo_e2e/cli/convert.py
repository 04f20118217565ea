"""``e2erknn convert``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import RenderableType

from rknn_zoo_e2e.cli.options import Trust
from rknn_zoo_e2e.cli.output import Debug, Json, Quiet, emit, note, settings
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.isolation.parent import TIME_LIMIT

if TYPE_CHECKING:
    from rknn_zoo_e2e.bundle import Artifact
    from rknn_zoo_e2e.conversion.pipeline import Conversion
    from rknn_zoo_e2e.conversion.progress import Progress
    from rknn_zoo_e2e.conversion.recipe import Options
    from rknn_zoo_e2e.zoo import Source


def parse_imgsz(text: str | None) -> tuple[int, int] | None:
    """``640``, ``480,640`` or ``480x640`` to (height, width)."""
    if text is None:
        return None
    parts = text.lower().replace("x", ",").split(",")
    if len(parts) not in (1, 2) or not all(part.strip().isdigit() for part in parts):
        raise typer.BadParameter("give a side (640) or height,width (480,640) in px")
    return int(parts[0]), int(parts[-1])


def convert(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="Zoo names, patterns like 'yolov8n*', or .pt files.")
    ],
    soc: Annotated[list[str], typer.Option("--soc", help="Rockchip SoC; repeat for several.")],
    precision: Annotated[str, typer.Option(help="int8 or fp16.")] = "int8",
    imgsz: Annotated[str | None, typer.Option(help="Input side, or height,width, in px. Default: as trained.")] = None,
    calib: Annotated[
        Path | None, typer.Option(help="Calibration pictures: a folder, a data.yaml or a list.txt.")
    ] = None,
    calib_images: Annotated[int, typer.Option(metavar="N", min=1, help="How many of them to use.")] = 40,
    layout: Annotated[
        str, typer.Option(help="flat: (1, C, A), Ultralytics' order. grid: (1, C, H, W), no op on the CPU.")
    ] = "flat",
    jobs: Annotated[int, typer.Option("--jobs", "-j", metavar="N", min=1, help="Builds side by side.")] = 1,
    executor: Annotated[
        str | None, typer.Option(metavar="URL", help="Build on a Dask cluster, dask://host:port, instead of here.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder the bundles go into.")] = Path("."),
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Do not compare the builds with fp32.")] = False,
    time_limit: Annotated[
        int, typer.Option(metavar="SECONDS", min=1, help="How long a stage may go without progress.")
    ] = TIME_LIMIT,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a bundle made from something else.")] = False,
    trust: Trust = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Build verified RKNN bundles from YOLO checkpoints. After an interruption the same command goes on.

    Example: e2erknn convert yolov8n-pose --soc rk3566 --soc rk3588 --calib pictures/ --jobs 2
    """
    from rknn_zoo_e2e.cli.live import BuildTable
    from rknn_zoo_e2e.conversion.executor import open_executor
    from rknn_zoo_e2e.conversion.pipeline import convert_all
    from rknn_zoo_e2e.conversion.recipe import Options
    from rknn_zoo_e2e.conversion.selection import select
    from rknn_zoo_e2e.soc import find_soc

    options = Options(
        socs=tuple(dict.fromkeys(find_soc(name, note) for name in soc)),
        precision=precision.lower(),
        imgsz=parse_imgsz(imgsz),
        calib=calib,
        calib_images=calib_images,
        layout=layout.lower(),
        jobs=jobs,
        out=out,
        verify=not no_verify,
        overwrite=overwrite,
        time_limit=time_limit,
    )
    options.check()
    names = select(models)
    progress = BuildTable()
    try:
        with open_executor(executor, jobs) as place, progress:
            sources, absent = find_all(names, options, progress, trust)
            done = convert_all(sources, options, progress, place)
    except KeyboardInterrupt:
        if progress.finished:
            note(f"{progress.finished} of {len(progress.rows)} builds are finished and kept.")
        raise
    order = {Path(name).stem if name.endswith(".pt") else name: index for index, name in enumerate(names)}
    report(sorted([*done, *absent], key=lambda conversion: order.get(conversion.model, 0)))


def find_all(
    names: Sequence[str], options: Options, progress: Progress, trusted: bool
) -> tuple[list[Source], list[Conversion]]:
    """The checkpoints, fetched where need be, and what is to be said of models of several that have none.

    Raises:
        UserError: a name means nothing, or there is no checkpoint at all.
    """
    from rknn_zoo_e2e.conversion.pipeline import Conversion
    from rknn_zoo_e2e.conversion.recipe import artifact_name
    from rknn_zoo_e2e.zoo import catalogue, resolve

    for name in names:
        if name in catalogue():  # the rows of those to come, while weights are fetched
            progress.expect(name, [artifact_name(name, soc.name, options.precision) for soc in options.socs])
    sources: list[Source] = []
    absent: list[Conversion] = []
    for name in names:
        try:
            sources.append(resolve(name, progress.stage, trusted))
        except UsageError:
            raise
        except UserError as error:
            absent.append(Conversion(name, None, [], failed={soc.name: error for soc in options.socs}))
            for soc in options.socs:
                progress.done(artifact_name(name, soc.name, options.precision), error)
    if not sources:
        raise absent[0].failed[options.socs[0].name]
    return sources, absent


def document(conversion: Conversion) -> dict[str, Any]:
    """One model's entry in the JSON."""
    failed = {soc: {"what": e.what, "fix": e.fix} for soc, e in conversion.failed.items()}
    if conversion.error or conversion.bundle is None:
        return {"model": conversion.model, "error": next(iter(failed.values())), "failed": failed}
    entry = conversion.bundle.report()
    wanted = {a.file for a in conversion.wanted}
    entry["artifacts"] = [a for a in entry["artifacts"] if a["file"] in wanted]
    entry["reused"] = [a.file for a in conversion.reused]
    return entry | {"failed": failed, "stages": conversion.seconds}


def report(done: list[Conversion]) -> None:
    """Tables and the next command, or the JSON document; exits 1 if anything failed or disagrees with fp32."""
    from rknn_zoo_e2e.cli.tables import artifact_table, summary_table

    failures = [error for c in done for error in c.failed.values()]
    if len(done) == 1 and done[0].error:
        if len(done[0].failed) > 1 and settings.json:
            emit(document(done[0]))
        raise done[0].error
    for artifact in (a for c in done for a in c.reused):
        note(f"{artifact.file} is up to date and was reused.")
    made = [(c, c.bundle) for c in done if c.bundle is not None and c.wanted]
    shown: list[RenderableType] = []
    if len(done) > 1 or failures:
        shown = [summary_table(done), *(f"Bundle: {bundle.path}" for _, bundle in made)]
    else:
        shown = [part for c, bundle in made for part in (artifact_table(bundle, c.wanted), f"Bundle: {bundle.path}")]
    if all(c.passed for c in done):
        shown.append(f"Next: e2erknn demo IMAGE --model {shlex.quote(str(made[-1][1].path))}")
    documents = [document(c) for c in done]
    emit(documents[0] if len(documents) == 1 else documents, *shown)
    if failures:
        what, builds = failures[0].what, len(failures) + sum(len(c.wanted) for c in done)
        if len(failures) > 1:
            what = f"{len(failures)} of {builds} builds failed; the first: {what}"
        raise UserError(what, failures[0].fix, failures[0].detail)
    off = [(bundle, a) for c, bundle in made for a in c.wanted if not a.parity.get("passed", True)]
    if off:
        raise UserError(
            f"{len(off)} build(s) disagree with fp32 more than they should: {', '.join(a.file for _, a in off)}.",
            f"{what_may_help([a for _, a in off])}; see: e2erknn inspect {shlex.quote(str(off[0][0].path))}",
        )


def what_may_help(off: list[Artifact]) -> str:
    """What to try where artifacts disagree with fp32; no precision their SoCs have not."""
    from rknn_zoo_e2e.soc import SOCS

    floats = any(a.precision == "int8" and SOCS[a.soc].fp16 for a in off)
    return f"More or other --calib pictures{', or --precision fp16,' if floats else ''} may help"
