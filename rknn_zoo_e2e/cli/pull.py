"""``e2erknn pull``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rknn_zoo_e2e.cli.ui.options import PATH, soc_named
from rknn_zoo_e2e.cli.ui.output import Debug, Json, Quiet, emit


def pull(
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Repo on the Hub; @REVISION after it is possible.")],
    soc: Annotated[
        str | None, typer.Option(help="Which SoC's build. Default: this board's, else the only one.")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="int8 or fp16. Default: int8 if there is one.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder the bundle goes into.", **PATH)] = Path(),
    whole: Annotated[
        bool,
        typer.Option("--whole", help="On a board, too, all of it: for --backend onnx. Elsewhere that is the default."),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace another bundle of that name.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Fetch a published bundle: only what one SoC needs, every file compared with its checksum.

    Example: e2erknn pull me/yolov8n-rknn --soc rk3566
    """
    from rknn_zoo_e2e.cli.ui.progress import StageProgress
    from rknn_zoo_e2e.hub.layout import files_needed
    from rknn_zoo_e2e.hub.pull import fetch, parse
    from rknn_zoo_e2e.hub.pull import pull as run

    soc = soc_named(soc)
    name, revision = parse(repo)
    with StageProgress() as progress:
        bundle = fetch(name, revision, soc, precision, progress.of(name), whole)
        path, written = run(bundle, out, overwrite, progress.note, whole)
    [artifact] = bundle.artifacts
    commit = bundle.path.parents[2].name
    sizes = sum((path / file).stat().st_size for file in files_needed(bundle, whole))
    document = {
        "repo": name,
        "commit": commit,
        "bundle": str(path),
        "soc": artifact.soc,
        "precision": artifact.precision,
        "toolkit": artifact.toolkit,
        "bytes": sizes,
        "written": written,
    }
    what = f"{artifact.soc} {artifact.precision}, toolkit {artifact.toolkit}, {sizes / 1e6:.1f} MB, checksums agree"
    lines = [f"{'Bundle' if written else 'Already there'}: {path} ({what})"]
    emit(document, *lines, f"Next: e2erknn demo IMAGE --model {path}")
