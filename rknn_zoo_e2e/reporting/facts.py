"""The numbers of a page: what ``inspect --json`` says of a bundle, and what its files hold beyond that."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

from rknn_zoo_e2e.boards.soc import SOCS
from rknn_zoo_e2e.boards.speed import predictable
from rknn_zoo_e2e.bundle.agreement import read_agreement
from rknn_zoo_e2e.bundle.analysis import read_analysis
from rknn_zoo_e2e.bundle.curves import POINTS, read_curves
from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.bundle.reader import check_file
from rknn_zoo_e2e.runtime.registry import BACKENDS
from rknn_zoo_e2e.toolkit.buildlog import layers, memory

Document = dict[str, Any]
MOST_LAYERS = 5000  # that a page shows; yolov8x has 300


def document_of(bundle: Bundle, agreements: Mapping[str, Any] | None = None, in_full: bool = True) -> Document:
    """All that is known of a bundle.

    Args:
        agreements: found just now, by the SHA-256 of a build's file; by default those it keeps.
        in_full: with what is known of single layers, scores and recalls.

    Raises:
        UserError: a file it names is not the one it was made with.
    """
    document = bundle.inspection() | {"folder": bundle.path.resolve().name}
    for artifact, entry in zip(bundle.artifacts, document["artifacts"], strict=True):
        entry["loss"] = loss(bundle, artifact)
        entry["cpu_ops"] = len(artifact.placement["cpu"]) if artifact.placement else None
        if in_full:
            entry |= details(bundle, artifact, (agreements or {}).get(artifact.sha256))
            entry["missing"] = [{"what": what, "how": how} for what, how in missing(bundle, artifact, entry)]
    if in_full:
        recalls = [round(index / (POINTS - 1), 2) for index in range(POINTS)]
        document |= {"recalls": recalls, "classes": list(bundle.spec.names), "files": bundle.checksums}
    return document


def details(bundle: Bundle, artifact: Artifact, agreement: Document | None) -> Document:
    """What its files hold of a build; None where there is nothing."""
    log = ""
    if artifact.log and (bundle.path / artifact.log).exists():  # a board pulls only what it runs
        log = check_file(bundle, artifact.log, artifact.log_sha256).read_text("utf-8", errors="replace")
    there = {name for name in artifact.numbers if (bundle.path / name).exists()}
    held = replace(artifact, numbers={name: artifact.numbers[name] for name in there})
    soc = SOCS.get(artifact.soc)
    costs = layers(log)
    return {
        "memory": memory(log),
        "ram_mb": list(soc.ram) if soc else [],
        "layers": [{"index": index} | asdict(layer) for index, layer in enumerate(costs[:MOST_LAYERS], 1)],
        "analysis": read_analysis(bundle, held),
        "curves": read_curves(bundle, held),
        "agreement": agreement or read_agreement(bundle, held),
    }


def loss(bundle: Bundle, artifact: Artifact) -> Document:
    """What a build lost against fp32.

    Returns:
        ``{"detections", "points"}``: the share (0..1) of fp32's detections that was not found again when it was
        verified, None where nobody looked or nothing was detected; and of each measurement of its accuracy that fp32
        has too, mAP points (0..100): ``{"data", "images", "backend", "metric", "map50", "map"}``.
    """
    recall = artifact.parity.get("recall")
    return {
        "detections": None if recall is None else round(1 - recall, 4),
        "points": list(points(bundle, artifact)),
    }


def points(bundle: Bundle, artifact: Artifact) -> Iterator[Document]:
    """The mAP points of :func:`loss`."""
    for run in artifact.evaluations:
        reference = fp32(bundle, run) if as_build(run) else None
        if reference is None:
            continue
        for metric, values in run["metrics"].items():
            if before := reference["metrics"].get(metric):
                lost = {key: round(100 * (before[key] - values[key]), 3) for key in ("map50", "map")}
                yield {key: run[key] for key in ("data", "images", "backend")} | {"metric": metric} | lost


def as_build(run: Mapping[str, Any]) -> bool:
    """Whether an evaluation is of a build, and not of fp32."""
    backend = BACKENDS.get(run["backend"])
    return bool(backend and backend.runs_artifact)


def fp32(bundle: Bundle, run: Document) -> Document | None:
    """The evaluation of fp32 on the same pictures, which any artifact of the bundle may hold."""
    runs: list[Document] = [one for artifact in bundle.artifacts for one in artifact.evaluations]
    same = [one for one in runs if all(one[key] == run[key] for key in ("data", "images"))]
    return next((one for one in same if not as_build(one) and one["backend"] in BACKENDS), None)


def missing(bundle: Bundle, artifact: Artifact, entry: Document) -> Iterator[tuple[str, str]]:
    """What a page cannot say of a build and why, and the command that finds it out, "" where there is none."""
    folder, soc = shlex.quote(bundle.path.resolve().name), artifact.soc
    if not artifact.parity:
        yield "agreement with fp32, as it was not verified", "e2erknn convert MODEL --calib PICTURES"
    if artifact.predicted is None:
        fits = predictable(soc) and artifact.precision == "int8"
        why = "the compiler's figures are missing" if fits else "nobody publishes any of this chip in this precision"
        yield f"predicted speed: {why}", ""
    if not artifact.measured:
        yield "measured speed, on a board", f"e2erknn bench {folder} --save FILE"
    if not entry["layers"]:
        yield "cost by layer and memory: the build log is not here; copy or pull the whole bundle", ""
    if artifact.precision == "int8" and not entry["analysis"]:
        yield "error by layer", f"e2erknn analyze {folder} --soc {soc}"
    if not any(map(as_build, artifact.evaluations)):
        yield "mAP of the build", f"e2erknn eval {folder} --data data.yaml --soc {soc}"
    elif not entry["loss"]["points"]:
        yield "mAP of fp32 on the same pictures", f"e2erknn eval {folder} --data data.yaml --backend onnx"
    if not entry["agreement"]:
        yield "scores, fp32 against the build", f"e2erknn report {folder} --calib PICTURES"
