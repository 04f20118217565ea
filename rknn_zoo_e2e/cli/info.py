"""``e2erknn info``: what is known of one model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.table import Table

from rknn_zoo_e2e.bundle.reader import is_bundle, read_bundle
from rknn_zoo_e2e.checkpoint.source import load_source
from rknn_zoo_e2e.cli.ui.output import Output
from rknn_zoo_e2e.tasks.registry import task_of
from rknn_zoo_e2e.zoo import Identity, find_card, identity_of_bundle, local_weights, resolve, said_of_other
from rknn_zoo_e2e.zoo.cards import ModelCard

IDENTITIES = {
    "zoo": "the zoo's own file, by its sha256",
    "named": "the zoo's by its name; its sha256 is not known",
    "own": "its maker's own model, not the zoo's",
}
# What a card says of the zoo's own file, and what may be wrong of one that is merely called so.
TRUE_OF_THE_ZOOS_FILE_ONLY = ("params", "gflops", "metrics", "measured_on")
SHOWN_CLASSES = 12  # names of classes in the table; the JSON document has all of them


def show_model(output: Output, model: str, trust: bool) -> None:
    """The facts of a bundle or a checkpoint, or where its weights are not here, of its card."""
    if is_bundle(Path(model)):
        bundle = read_bundle(Path(model))
        spec, head, source, identity = bundle.spec, None, str(bundle.path), identity_of_bundle(bundle)
        licence = bundle.origin.get("license")
    else:
        card = None if Path(model).exists() else find_card(model)
        if card is not None and local_weights(card) is None:
            show(output, card_facts(card) | {"identity": None})
            return
        found = resolve(model, trusted=trust)
        network, spec = load_source(found)
        head, source, identity = type(network.model[-1]).__name__, str(found.path), found.identity.fitting(spec)
        licence = None
        if found.passed_over:
            output.note(said_of_other(found))
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
        "outputs": {tensor.name: {c.kind: c.count for c in tensor.channels} for tensor in task_of(spec).outputs},
        "notes": list(spec.notes),
    }
    about = known_facts(identity) | ({"license": licence} if licence else {})
    show(output, facts | {key: value for key, value in about.items() if key not in facts} | {"weights": source})


def known_facts(identity: Identity) -> dict[str, Any]:
    """What a card says of these weights, as far as they are the zoo's."""
    facts = card_facts(identity.card) if identity.card else {"license": None}
    hidden = () if identity.proven else TRUE_OF_THE_ZOOS_FILE_ONLY
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


def classes_text(names: list[str]) -> str:
    """The first of them, and how many there are."""
    more = f", ... ({len(names)} in all)" if len(names) > SHOWN_CLASSES else ""
    return ", ".join(names[:SHOWN_CLASSES]) + more


def sources_text(sources: dict[str, Any]) -> str:
    """Where weights are fetched from, the first choice first."""
    hub, release = sources["huggingface"], sources["release"]
    places = [f"hf:{hub['repo']}/{hub['file']}"] if hub else []
    places += [f"release {release['tag']}/{release['file']}"] if release else []
    return ", else ".join(places)


# How facts are put in words in the table; all others are shown as they are.
IN_WORDS: dict[str, Callable[[Any], str]] = {
    "notes": "\n".join,
    "names": classes_text,
    "sources": sources_text,
    "params": lambda count: f"{count / 1e6:.2f} M",
    "identity": IDENTITIES.__getitem__,
}


def show(output: Output, facts: dict[str, Any]) -> None:
    """A model's facts as a table of two columns, or the JSON document."""
    absent = {
        "weights": f"not on this machine; e2erknn fetch {facts['model']}",
        "license": "what the maker of the checkpoint gives it (not of the zoo)",
    }
    table = Table(show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in facts.items():
        text = absent.get(key, "") if value is None else IN_WORDS.get(key, str)(value)
        if text and value != {}:
            table.add_row(key, text)
    output.emit(facts, table)
