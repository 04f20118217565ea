"""``e2erknn list`` and ``e2erknn info``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rknn_zoo_e2e.cli.ui.options import Trust
from rknn_zoo_e2e.cli.ui.output import Debug, Json, Quiet, emit, note

if TYPE_CHECKING:
    from rknn_zoo_e2e.zoo import Identity
    from rknn_zoo_e2e.zoo.cards import ModelCard


# What a list says of the file a name means here, by whose weights it holds.
WEIGHTS = {"zoo": "here", "named": "here", "own": "yours", None: "-"}
IDENTITIES = {
    "zoo": "the zoo's own file, by its sha256",
    "named": "the zoo's by its name; its sha256 is not known",
    "own": "its maker's own model, not the zoo's",
}
# What is true of the zoo's own file only, and not of one that is merely called so.
MEASURED = ("params", "gflops", "metrics", "measured_on")


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
    from rich import box
    from rich.table import Table

    from rknn_zoo_e2e.errors import UsageError
    from rknn_zoo_e2e.tasks.registry import TASKS
    from rknn_zoo_e2e.zoo import local_weights, matching, nearest

    if task not in (None, *TASKS):
        raise UsageError(f"{task!r} is not a task.", f"Choose one of: {', '.join(TASKS)}.")
    cards = matching(pattern, task)
    if not cards:
        among = f" for task {task}" if task else ""
        raise UsageError(f"No model matches {pattern!r}{among}.", nearest(pattern))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)  # 80 columns hold it
    for heading in ("name", "task", "family", "size", "input", "params", "mAP", "license", "weights"):
        numeric = heading in ("input", "params", "mAP")
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=True)
    table.columns[0].min_width = max(len(card.name) for card in cards)  # whole on any terminal: it is what one types
    rows: list[dict[str, Any]] = []
    for card in cards:
        source = local_weights(card)
        identity = source.identity.kind if source else None
        params = f"{card.params / 1e6:.1f} M" if card.params else "-"
        cells = (card.size or "-", str(card.imgsz), params, accuracy(card), card.license)
        table.add_row(card.name, card.task, card.family, *cells, WEIGHTS[identity])
        keys = ("name", "task", "family", "size", "imgsz", "params", "gflops", "metrics", "license")
        rows.append({**{k: getattr(card, k) for k in keys}, "local": source is not None, "identity": identity})
    yours = [f"{row['name']}.pt" for row in rows if row["identity"] == "own"]
    said = f"Your own, and not what the figures are of: {', '.join(yours)}"
    emit(rows, table, *([said] if yours else []))


def accuracy(card: ModelCard) -> str:
    """The task's own mAP50-95 in per cent; mAP50, marked so, where only that is known."""
    from rknn_zoo_e2e.tasks.registry import TASKS

    found = card.metrics.get(TASKS[card.task].metric, {})
    if "map" in found:
        return f"{100 * found['map']:.1f}"
    return f"{100 * found['map50']:.1f} (50)" if found else "-"


def info(
    model: Annotated[str, typer.Argument(help="Zoo name, .pt file or bundle.")],
    trust: Trust = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Show one model: task, classes, input, head, outputs, size, accuracy, and where its weights come from.

    Nothing is fetched for it: a model whose weights are not here is shown as its card says.

    Example: e2erknn info yolov8n-pose
    """
    from rknn_zoo_e2e.bundle.reader import is_bundle, read_bundle
    from rknn_zoo_e2e.tasks.registry import task_of
    from rknn_zoo_e2e.zoo import find_card, identity_of_bundle, local_weights

    if is_bundle(Path(model)):
        bundle = read_bundle(Path(model))
        spec, head, source, identity = bundle.spec, None, str(bundle.path), identity_of_bundle(bundle)
        licence = bundle.origin.get("license")
    else:
        card = None if Path(model).exists() else find_card(model)
        if card is not None and local_weights(card) is None:
            show(card_facts(card) | {"identity": None})
            return
        from rknn_zoo_e2e.checkpoint.source import load_source
        from rknn_zoo_e2e.zoo import resolve, said_of_other

        found = resolve(model, trusted=trust)
        network, spec = load_source(found)
        head, source, identity = type(network.model[-1]).__name__, str(found.path), found.identity.fitting(spec)
        licence = None
        if found.passed_over:
            note(said_of_other(found))
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
        "notes": list(spec.notes),
    }
    about = known_facts(identity) | ({"license": licence} if licence else {})
    show(facts | {key: value for key, value in about.items() if key not in facts} | {"weights": source})


def known_facts(identity: Identity) -> dict[str, Any]:
    """What a card says of these weights, as far as they are the zoo's."""
    facts = card_facts(identity.card) if identity.card else {"license": None}
    hidden = () if identity.proven else MEASURED
    return {key: value for key, value in facts.items() if key not in hidden} | {"identity": identity.kind}


def card_facts(card: ModelCard) -> dict[str, Any]:
    """What a card says, in the order it is shown."""
    facts: dict[str, Any] = {
        "model": card.name, "task": card.task, "classes": card.classes, "imgsz": [card.imgsz, card.imgsz],
        "family": card.family, "size": card.size, "params": card.params, "gflops": card.gflops,
        "metrics": card.metrics, "measured_on": card.measured_on, "calibration": card.calibration,
        "license": card.license, "base_model": card.base_model,
    }  # fmt: skip
    facts["sources"] = {
        "huggingface": {"repo": card.hub.repo, "file": card.hub.file} if card.hub else None,
        "release": {"tag": card.release.tag, "file": card.release.file} if card.release else None,
    }
    return facts | {"weights": None}


def show(facts: dict[str, Any]) -> None:
    """A model's facts as a table of two columns, or the JSON document."""
    from rich.table import Table

    table = Table(show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in facts.items():
        if key == "notes":
            value = "\n".join(value)
        if key == "names":
            value = ", ".join(value[:12]) + (f", ... ({len(value)} in all)" if len(value) > 12 else "")
        if key == "sources":
            hub, release = value["huggingface"], value["release"]
            places = [f"hf:{hub['repo']}/{hub['file']}"] if hub else []
            places += [f"release {release['tag']}/{release['file']}"] if release else []
            value = ", else ".join(places)
        if key == "params" and value:
            value = f"{value / 1e6:.2f} M"
        if key == "weights" and value is None:
            value = f"not on this machine; e2erknn fetch {facts['model']}"
        if key == "identity" and value:
            value = IDENTITIES[value]
        if key == "license" and value is None:
            value = "what the maker of the checkpoint gives it (not of the zoo)"
        if value not in (None, {}, ""):
            table.add_row(key, str(value))
    emit(facts, table)
