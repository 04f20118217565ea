"""``e2erknn fetch``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from rknn_zoo_e2e.cli.output import Debug, Json, Quiet, emit, show_error


def fetch(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="Zoo names or shell patterns; coco128, dota128: pictures.")
    ],
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Fetch weights into the cache: from Hugging Face, else from Ultralytics' release.

    Other commands do it by themselves.

    HF_ENDPOINT, HF_TOKEN, HF_HOME and HF_HUB_OFFLINE are honoured; E2ERKNN_RELEASES names a mirror of the releases.

    Example: e2erknn fetch yolov8n 'yolo11n*' coco128
    """
    from rich.table import Table

    from rknn_zoo_e2e.cli.progress import StageProgress
    from rknn_zoo_e2e.errors import UserError
    from rknn_zoo_e2e.fetch import Fetched, fetch_all
    from rknn_zoo_e2e.weights import sha256
    from rknn_zoo_e2e.zoo import asset, catalogue

    names = [name for model in models for name in wanted(model)]
    shipped = {name: path for name in names if name in catalogue() and (path := catalogue()[name].shipped)}
    rest = [name for name in dict.fromkeys(names) if name not in shipped]
    with StageProgress() as progress:
        done = fetch_all([asset(name) for name in rest], progress.stage)
    results: dict[str, Fetched | UserError] = dict(zip(rest, done, strict=True))
    results |= {name: Fetched(name, path, sha256(path), "shipped", True) for name, path in shipped.items()}
    table = Table()
    for heading in ("name", "source", "sha256", "path"):
        table.add_column(heading, overflow="fold")
    document: dict[str, Any] = {"models": []}
    failed: dict[str, UserError] = {}
    for name in dict.fromkeys(names):
        found = results[name]
        if isinstance(found, UserError):
            failed[name] = found
            continue
        keys = ("name", "sha256", "source", "cached")
        document["models"].append({**{k: getattr(found, k) for k in keys}, "path": str(found.path)})
        source = found.source + (" (was here)" if found.cached else "")
        table.add_row(name, source, f"{found.sha256[:12]}...", str(found.path))
    if failed:
        document["failed"] = {name: {"what": e.what, "fix": e.fix} for name, e in failed.items()}
    emit(document, *([table] if document["models"] else []))
    for error in failed.values():
        show_error(error)
    if failed:
        raise typer.Exit(1)


def wanted(model: str) -> list[str]:
    """The models a name or a shell pattern means, or a calibration set.

    Raises:
        UsageError: nothing is called that.
    """
    from rknn_zoo_e2e.errors import UsageError
    from rknn_zoo_e2e.zoo import calibration_sets, catalogue, is_pattern, matching, nearest

    if model in catalogue() or model in calibration_sets():
        return [model]
    found = [card.name for card in matching(model)] if is_pattern(model) else []
    if not found:
        raise UsageError(f"{model!r} is not a model of the zoo.", nearest(model))
    return found
