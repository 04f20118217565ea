"""``e2erknn pull``: a published bundle from the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path

from rknn_zoo_e2e.cli.ui.output import Output
from rknn_zoo_e2e.cli.ui.progress import StageProgress
from rknn_zoo_e2e.cli.ui.soc import soc_named
from rknn_zoo_e2e.hub.layout import files_needed
from rknn_zoo_e2e.hub.pull import fetch, parse
from rknn_zoo_e2e.hub.pull import pull as run


def pull_bundle(
    output: Output, repo: str, soc: str | None, precision: str | None, out: Path, whole: bool, overwrite: bool
) -> None:
    """Fetches what one SoC needs of it into the folder ``out``."""
    soc = soc_named(soc, output)
    name, revision = parse(repo)
    with StageProgress(output) as progress:
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
    output.emit(document, *lines, f"Next: e2erknn demo IMAGE --model {path}")
