"""``e2erknn list`` and ``e2erknn info``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rknn_zoo_e2e.cli.output import Debug, Json, Quiet, emit


def list_models(
    pattern: Annotated[str, typer.Argument(help="Shell pattern, or part of a name.")] = "*",
    task: Annotated[str | None, typer.Option(help="Only detect, pose, segment or obb.")] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """List the models of the zoo.

    Example: e2erknn list 'yolo11*-seg'
    """
    from rich.table import Table

    from rknn_zoo_e2e.errors import UsageError
    from rknn_zoo_e2e.zoo import matching

    cards = matching(pattern, task)
    if not cards:
        among = f" for task {task}" if task else ""
        raise UsageError(f"No model matches {pattern!r}{among}.", "See all with: e2erknn list")
    table = Table()
    for heading in ("name", "task", "family", "size", "input", "params", "license", "weights"):
        table.add_column(heading, justify="right" if heading in ("input", "params") else "left", no_wrap=True)
    rows: list[dict[str, Any]] = []
    for card in cards:
        local = card.local_weights() is not None
        params = f"{card.params / 1e6:.2f} M" if card.params else "-"
        where = "here" if local else "-"
        table.add_row(card.name, card.task, card.family, card.size or "-", str(card.imgsz), params, card.license, where)
        keys = ("name", "task", "family", "size", "imgsz", "params", "license")
        rows.append({**{key: getattr(card, key) for key in keys}, "local": local})
    emit(rows, table)


def info(
    model: Annotated[str, typer.Argument(help="Zoo name, .pt file or bundle.")],
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Show one model: task, classes, input, head, outputs, and where its weights come from.

    Example: e2erknn info yolov8n-pose
    """
    from rich.table import Table

    from rknn_zoo_e2e.bundle import is_bundle, read_bundle
    from rknn_zoo_e2e.tasks import task_of
    from rknn_zoo_e2e.zoo import catalogue

    if is_bundle(Path(model)):
        bundle = read_bundle(Path(model))
        spec, head, source, card = bundle.spec, None, str(bundle.path), catalogue().get(bundle.spec.name)
    else:
        card = catalogue().get(model)
        if card is not None and card.local_weights() is None:
            emit_card(card)
            return
        from rknn_zoo_e2e.convert.source import load_source
        from rknn_zoo_e2e.zoo import resolve

        found = resolve(model)
        network, spec = load_source(found)
        head, source, card = type(network.model[-1]).__name__, str(found.path), found.card
    names = list(spec.names)
    facts: dict[str, Any] = {
        "model": spec.name,
        "task": spec.task,
        "classes": len(names),
        "names": names,
        "imgsz": list(spec.imgsz),
        "stride": spec.stride,
        "head": head,
        "nms_free": spec.nms_free,
        "kpt_shape": list(spec.kpt_shape) if spec.kpt_shape else None,
        "outputs": {o.name: {c.kind: c.count for c in o.channels} for o in task_of(spec).outputs},
        "weights": source,
        "license": card.license if card else None,
        "metrics": card.metrics if card else {},
        "measured_on": card.measured_on if card else "",
    }
    table = Table(show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in facts.items():
        if key == "names":
            value = ", ".join(names[:12]) + (f", ... ({len(names)} in all)" if len(names) > 12 else "")
        if key == "license" and value is None:
            value = "that of the checkpoint (not of the zoo)"
        if value not in (None, {}, ""):
            table.add_row(key, str(value))
    emit(facts, table)


def emit_card(card: Any) -> None:
    """A model of the zoo whose weights are not here."""
    keys = ("name", "task", "family", "size", "imgsz", "classes", "license")
    facts = {key: getattr(card, key) for key in keys} | {"weights": None}
    emit(facts, *(f"{key}: {value or 'not on this machine'}" for key, value in facts.items()))
