"""The model card of a repo, made from the metadata of all its bundles alone: the same bundles give the same card.

Bundles may be anybody's, so every text out of them goes through :mod:`rknn_zoo_e2e.publishing.markdown`.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

from rknn_zoo_e2e.boards.install import PROJECT
from rknn_zoo_e2e.boards.soc import SOCS
from rknn_zoo_e2e.bundle.model import Bundle, layouts_of
from rknn_zoo_e2e.bundle.parity import parity_text
from rknn_zoo_e2e.bundle.reader import read_ranges
from rknn_zoo_e2e.hub.layout import SUMS, folder_of
from rknn_zoo_e2e.publishing.card_speed import measured_speed, predicted_speed
from rknn_zoo_e2e.publishing.markdown import code, link, plain, table
from rknn_zoo_e2e.publishing.on_the_board import on_the_board
from rknn_zoo_e2e.runtime.registry import BACKENDS
from rknn_zoo_e2e.tasks.contract import DEFAULT, find_contract
from rknn_zoo_e2e.tasks.registry import TASKS, task_of
from rknn_zoo_e2e.zoo import identity_of_bundle

SHAPES = {"flat": "(1, channels, anchors)", "grid": "(1, channels, height, width)"}  # of the first output
NO_CALIBRATION = "none: fp16 needs no calibration"
ULTRALYTICS_LICENCE = "AGPL-3.0"
OWN_WEIGHTS = (
    f"the publisher's own checkpoint, trained with Ultralytics and so under {ULTRALYTICS_LICENCE}, unless its maker "
    "holds another licence from Ultralytics"
)
ULTRALYTICS = "https://github.com/ultralytics/ultralytics"
ASSETS = "https://github.com/ultralytics/assets/releases/tag"


def make_card(repo: str, bundles: list[Bundle], sample: str | None) -> str:
    """``README.md``: YAML front matter and text.

    Args:
        repo: owner/name.
        bundles: at least one, each with one artifact, all of one model.
        sample: the drawn picture's path in the repo, ``sample-<soc>-<precision>-<backend>.jpg``.
    """
    bundles = sorted(bundles, key=lambda b: folder_of(b.artifacts[0]))
    first = bundles[0]
    parts = [
        f"---\n{front_matter(bundles)}\n---\n",
        f"# {plain(first.spec.name)} for Rockchip NPUs\n",
        summary(first),
        picture(sample),
        f"## Files\n\n{files_table(bundles)}\n\nEach folder is a whole bundle; `sha256sum -c {SUMS}` in it compares "
        f"all of its files. `e2erknn pull {repo} --soc {first.artifacts[0].soc}` fetches one and does so.",
        f"## On the board\n\n{on_the_board(repo, bundles)}",
        f"## Outputs\n\n{contract(bundles)}",
        f"## Agreement with fp32\n\n{parity_table(bundles)}",
        predicted_speed(bundles),
        measured_speed(bundles),
        evaluation(bundles),
        f"## Calibration\n\n{calibration(bundles)}",
        f"## Licences\n\n{licences(first)}\n{runtimes(bundles)}",
    ]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def front_matter(bundles: list[Bundle]) -> str:
    """The YAML the Hub indexes, by the library's own class."""
    from huggingface_hub import ModelCardData

    spec, base = bundles[0].spec, base_model(bundles[0])
    artifacts = [b.artifacts[0] for b in bundles]
    more: dict[str, Any] = {"base_model": base, "base_model_relation": "quantized"} if base else {}
    data = ModelCardData(
        license=(licence(bundles[0]) or ULTRALYTICS_LICENCE).lower(),
        library_name="ultralytics",
        pipeline_tag=TASKS[spec.task].pipeline_tag,
        tags=["rknn", "rockchip", "npu", "yolo", *(a.soc for a in artifacts), *(a.precision for a in artifacts)],
        model_name=re.sub(r"[^\w.+-]+", "-", spec.name),
        **more,
    )
    return data.to_yaml()


def licence(bundle: Bundle) -> str | None:
    """SPDX name of the weights' licence, None where the bundle does not say."""
    said = bundle.origin.get("license")
    return None if said is None else said if re.fullmatch(r"[\w.+-]{1,40}", str(said)) else "other"


def base_model(bundle: Bundle) -> str | None:
    """The repo of the weights it was made from, where they are the zoo's."""
    card = identity_of_bundle(bundle).card
    return card.base_model or None if card else None


def summary(bundle: Bundle) -> str:
    """What it is, in a paragraph."""
    spec, (height, width) = bundle.spec, bundle.spec.imgsz
    more = f" and {len(spec.names) - 10} more" if len(spec.names) > 10 else ""
    names = ", ".join(map(plain, spec.names[:10])) + more
    return (
        f"{code(spec.name)}, task {spec.task}, input {width} x {height} px, built for Rockchip NPUs by `e2erknn`. Its "
        "outputs come *decoded*: boxes, scores and all else are part of the graph, so that the CPU has no exponentials "
        f"to compute, only to sort out overlaps.\n\n{len(spec.names)} classes: {names}."
    )


def picture(sample: str | None) -> str:
    """The drawn picture, saying what drew it."""
    if not sample:
        return ""
    _, soc, precision, backend = PurePosixPath(sample).stem.split("-", 3)
    finder = BACKENDS[backend].finder.format(soc=soc, precision=precision)
    return f"![what the model finds]({sample})\n\nFound by the {finder}."


def files_table(bundles: list[Bundle]) -> str:
    """A row an artifact."""
    rows = []
    for bundle in bundles:
        [a] = bundle.artifacts
        path = f"{folder_of(a)}/{a.file}"
        rows.append((a.soc, a.precision, f"{a.bytes / 1e6:.2f} MB", a.toolkit, link(a.file, path), f"`{a.sha256}`"))
    return table(("SoC", "precision", "size", "rknn-toolkit2", "file", "SHA-256"), rows)


def contract(bundles: list[Bundle]) -> str:
    """What comes out of the NPU, and what goes in."""
    bundle, layouts = bundles[0], layouts_of(b.artifacts[0] for b in bundles)
    height, width = bundle.spec.imgsz
    rows = []
    for output in task_of(bundle.spec).form.outputs:
        start = 0
        for part in output.channels:
            rows.append((f"`{output.name}`", f"{start} to {start + part.count - 1}", part.kind, part.coordinates))
            start += part.count
    several = len(layouts) > 1
    shapes = [
        SHAPES.get(layout, "of the finest level") + (f" on {', '.join(socs)}" if several else "")
        for layout, socs in layouts.items()
    ]
    order = "in Ultralytics' channel order"
    if bundle.spec.contract != DEFAULT:
        order = f"as {find_contract(bundle.spec.contract).readers} reads it (`convert --for {bundle.spec.contract}`)"
    return (
        f"Input: (1, {height}, {width}, 3) uint8 RGB, letterboxed with grey 114; normalising is part of the model. "
        f"`output0` is {' and '.join(shapes)}, float32, {order}.\n\n"
        + table(("output", "channels", "what", "coordinates"), rows)
    )


def parity_table(bundles: list[Bundle]) -> str:
    """How each build compares with fp32 on the same pictures, and what it costs."""
    rows = []
    for bundle in bundles:
        [a] = bundle.artifacts
        where = a.placement
        cost = [f"{where['traffic_kb'] / 1024:.1f} MB", f"{where['cycles'] / 1e6:.2f} M"] if where else ["", ""]
        ops = (where["npu"], len(where["cpu"])) if where else ("", "")
        pictures = a.parity.get("pictures", "")
        rows.append((a.soc, a.precision, pictures, parity_text(a.parity), *ops, *cost))
    headings = ("SoC", "precision", "pictures", "INT8 or fp16 build against fp32", "ops on the NPU", "on the CPU")
    return (
        table((*headings, "traffic", "cycles"), rows)
        + "\n\nIn the vendor's simulator on a PC; traffic and cycles are the compiler's estimates, not a board's."
    )


def evaluation(bundles: list[Bundle]) -> str:
    """Accuracy, where it was measured."""
    rows = []
    for bundle in bundles:
        [a] = bundle.artifacts
        for run in a.evaluations:
            backend = BACKENDS.get(run["backend"])  # of another version's, perhaps
            kind = f"{a.soc} {a.precision}" if backend and backend.runs_artifact else "fp32"
            where = backend.title if backend else plain(run["backend"])
            for metric, values in run["metrics"].items():
                scores = [f"{100 * values[key]:.1f}" for key in ("map50", "map")]
                rows.append((kind, plain(run["data"]), run["images"], plain(metric), *scores, where))
    if not rows:
        return ""
    note = "mAP x 100, by `e2erknn eval`. These are figures of the simulator on a PC where it says so, not of a board."
    headings = ("build", "data", "pictures", "of", "mAP50", "mAP50-95", "measured in")
    return f"## Accuracy\n\n{table(headings, dict.fromkeys(rows))}\n\n{note}"


def calibration(bundles: list[Bundle]) -> str:
    """What the quantisation ranges were taken from."""
    lines: dict[str, list[str]] = {}
    for bundle in bundles:
        [a] = bundle.artifacts
        ranges: dict[str, Any] = read_ranges(bundle, a) if a.calibration else {}
        said = f"{len(ranges['pictures'])} pictures, {code(ranges['name'])}" if ranges else NO_CALIBRATION
        lines.setdefault(said, []).append(f"{a.soc} {a.precision}")
    return "\n".join(f"- {', '.join(dict.fromkeys(builds))}: {said}" for said, builds in lines.items())


def licences(bundle: Bundle) -> str:
    """Of the weights and of what made the files."""
    base, card, said = base_model(bundle), identity_of_bundle(bundle).card, licence(bundle)
    if card and base:
        source = f"{said or card.license}, {card.name} of [{base}](https://huggingface.co/{base})"
    elif card and card.release:
        tag = card.release.tag
        source = f"{said or card.license}, {card.name} of [Ultralytics' assets {tag}]({ASSETS}/{tag})"
    elif card and card.shipped:
        source = f"{said or card.license}, {PROJECT}'s own starter model, trained on pictures it draws itself"
    else:
        source = f"{said}, the publisher's own checkpoint" if said else OWN_WEIGHTS
    made_with = bundle.origin.get("versions") or {}
    versions = ", ".join(f"{plain(name)} {plain(version)}" for name, version in made_with.items())
    return (
        f"- Weights: {source} (SHA-256 `{bundle.weights_sha256}`).\n"
        f"- Architecture and export: [Ultralytics]({ULTRALYTICS}), AGPL-3.0; {PROJECT}, AGPL-3.0.\n"
        f"- Made with {versions or 'unknown versions'}."
    )


def runtimes(bundles: list[Bundle]) -> str:
    """Of what runs the files."""
    libraries = dict.fromkeys(SOCS[b.artifacts[0].soc].library for b in bundles if b.artifacts[0].soc in SOCS)
    said = " or ".join(sorted(libraries, reverse=True)) or "runtime"
    return f"- The `.rknn` files run on Rockchip's {said}, which has a licence of its own."
