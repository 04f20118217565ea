"""``e2erknn convert``: checkpoints to bundles."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from rknn_zoo_e2e.boards.soc import SOCS
from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.cli.ui.live import BuildTable
from rknn_zoo_e2e.cli.ui.output import Output
from rknn_zoo_e2e.cli.ui.tables import artifact_table, drop_table, predictions, predictions_in_short, summary_table
from rknn_zoo_e2e.conversion.executor import open_executor
from rknn_zoo_e2e.conversion.options import Options
from rknn_zoo_e2e.conversion.pipeline import Conversion, convert_all
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.zoo import Source, catalogue, resolve, said_of_other
from rknn_zoo_e2e.zoo.selection import select

if TYPE_CHECKING:
    from rknn_zoo_e2e.analysis.drop import Held


def convert_models(
    output: Output,
    models: list[str],
    soc: list[str],
    precision: str,
    imgsz: str | None,
    calib: Path | None,
    calib_images: int | None,
    layout: str | None,
    contract: str,
    jobs: int,
    executor: str | None,
    out: Path,
    no_verify: bool,
    time_limit: int,
    overwrite: bool,
    trust: bool,
    data: Path | None,
    max_drop: float | None,
) -> None:
    """Builds every model for every SoC, the table of builds on the screen, and reports."""
    options = Options.of(
        soc,
        precision,
        imgsz,
        calib,
        calib_images,
        layout,
        jobs,
        out,
        not no_verify,
        overwrite,
        time_limit,
        contract,
        data,
        max_drop,
        output.note,
    )
    names = select(models)
    progress = BuildTable(output)
    try:
        with open_executor(executor, jobs) as place, progress:
            sources, absent = find_all(names, options, progress, trust, output)
            done = convert_all(sources, options, progress, place)
            bounded = keep_to(options, done, progress) if options.bound else []
    except KeyboardInterrupt:
        if progress.finished:
            output.note(f"{progress.finished} of {len(progress.rows)} builds are finished and kept.")
        raise
    order = {Path(name).stem if name.endswith(".pt") else name: index for index, name in enumerate(names)}
    report(output, sorted([*done, *absent], key=lambda conversion: order.get(conversion.model, 0)), bounded)


def keep_to(options: Options, done: Sequence[Conversion], progress: BuildTable) -> list[Held]:
    """What the bound on the loss led to, artifact by artifact."""
    from rknn_zoo_e2e.analysis.drop import hold  # needs onnx, which convert has to miss in its own words

    return [held for conversion in done for held in hold(conversion, options, progress)]


def find_all(
    names: Sequence[str], options: Options, progress: BuildTable, trusted: bool, output: Output
) -> tuple[list[Source], list[Conversion]]:
    """The checkpoints, fetched where need be, and a failed conversion for each model that has none.

    Raises:
        UserError: a name means nothing, or there is no checkpoint at all.
    """
    for name in names:
        if name in catalogue():  # the rows of those to come, while weights are fetched
            progress.expect(name, options.builds_of(name))
    sources: list[Source] = []
    absent: list[Conversion] = []
    for name in names:
        try:
            sources.append(resolve(name, progress.of(name), trusted))
            if sources[-1].passed_over:
                output.note(said_of_other(sources[-1]))
        except UsageError:
            raise
        except UserError as error:
            absent.append(Conversion(name, None, [], failed={soc.name: error for soc in options.socs}))
            for build in options.builds_of(name):
                progress.done(build, error)
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
    entry["unverified"] = [a.file for a in conversion.wanted if not a.parity]
    if used := conversion.calibration:
        counts = {"pictures": len(used), "skipped": list(used.skipped), "passed_over": dict(used.passed_over)}
        entry["calibration"] = {"name": used.name, **counts}
    return entry | {"failed": failed, "stages": conversion.seconds}


def report(output: Output, done: list[Conversion], bounded: Sequence[Held] = ()) -> None:
    """Tables and the next command, or the JSON document.

    Raises:
        UserError: a build failed, disagrees with fp32, or loses more than it may.
    """
    for c in done:
        if c.unverified and (files := [a.file for a in c.wanted if not a.parity]):
            output.note(f"Not verified: {', '.join(files)}. {c.unverified}")
            again = "run the same command again with --calib and a folder of 20 to 100 pictures"
            output.note(f"To compare with fp32, {again}.")
    if len(done) == 1 and done[0].error:
        if len(done[0].failed) > 1 and output.json:
            output.emit(document(done[0]))
        raise done[0].error
    for artifact in (a for c in done for a in c.reused):
        output.note(f"{artifact.file} is up to date and was reused.")
    made = [(c, c.bundle) for c in done if c.bundle is not None and c.wanted]
    shown: list[RenderableType] = []
    if len(done) > 1 or any(c.failed for c in done):
        shown = [summary_table(done)]
        for c, bundle in made:
            shown += [*predictions_in_short(c.model, c.wanted), f"Bundle: {bundle.path}"]
    else:
        for c, bundle in made:
            shown += [artifact_table(bundle, c.wanted), *predictions(c.wanted), f"Bundle: {bundle.path}"]
    shown += [drop_table(held) for held in bounded]
    if all(c.passed for c in done):
        shown.append(f"Next: e2erknn demo IMAGE --model {shlex.quote(str(made[-1][1].path))}")
    documents = [document(c) for c in done]
    for held in bounded:
        found = next(entry for entry in documents if entry["model"] == held.model)
        found.setdefault("drop", {})[held.soc] = held.report
    output.emit(documents[0] if len(documents) == 1 else documents, *shown)
    raise_failures(done)
    raise_losses(bounded)
    raise_disagreements([(bundle, a) for c, bundle in made for a in c.wanted if not a.parity.get("passed", True)])


def raise_failures(done: list[Conversion]) -> None:
    """Raises :class:`UserError` if a build failed: the first one's, with how many there are."""
    failures = [error for c in done for error in c.failed.values()]
    if not failures:
        return
    what, builds = failures[0].what, len(failures) + sum(len(c.wanted) for c in done)
    if len(failures) > 1:
        what = f"{len(failures)} of {builds} builds failed; the first: {what}"
    raise UserError(what, failures[0].fix, failures[0].detail)


def raise_losses(bounded: Sequence[Held]) -> None:
    """Raises :class:`UserError` if a build loses more mAP than it may."""
    over = [held for held in bounded if not held.met]
    if over:
        raise UserError(over[0].why, over[0].advice)


def raise_disagreements(disagreeing: list[tuple[Bundle, Artifact]]) -> None:
    """Raises :class:`UserError` if there are artifacts that disagree with fp32."""
    if not disagreeing:
        return
    files, folder = ", ".join(a.file for _, a in disagreeing), shlex.quote(str(disagreeing[0][0].path))
    raise UserError(
        f"{len(disagreeing)} build(s) disagree with fp32 more than they should: {files}.",
        f"{what_may_help([a for _, a in disagreeing])}; see: e2erknn inspect {folder}",
    )


def what_may_help(disagreeing: list[Artifact]) -> str:
    """What to try where artifacts disagree with fp32; no precision their SoCs have not."""
    floats = any(a.precision == "int8" and SOCS[a.soc].fp16 for a in disagreeing)
    return f"More or other --calib pictures{', or --precision fp16,' if floats else ''} may help"
