"""The head of a page: what the model is, a card for each build, and what is not known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rknn_zoo_e2e.bundle.parity import PARITY
from rknn_zoo_e2e.reporting.html import Content, Element, element, foreign
from rknn_zoo_e2e.reporting.sheet import (
    KB_AS_MB,
    MEGA,
    MEGABYTES,
    PERCENT,
    WHOLE,
    Place,
    Sheet,
    decimals,
    facts,
)

MOST_CLASSES = 12  # that are named one by one
MS = decimals(1, " ms")
POINTS = decimals(2)


def name_of(artifact: Mapping[str, Any]) -> str:
    """What a build is called on a page."""
    return f"{artifact['soc']} {artifact['precision']}"


def head(sheet: Sheet) -> Iterator[Element]:
    """What the model is."""
    document = sheet.document
    size = (sheet.figure(WHOLE, "imgsz", 1), " × ", sheet.figure(WHOLE, "imgsz", 0), " px")
    classes = document["classes"]
    more = f" and {len(classes) - MOST_CLASSES} more" if len(classes) > MOST_CLASSES else ""
    named = [part for name in classes[:MOST_CLASSES] for part in (", ", foreign(name))][1:]
    yield element("h1", foreign(document["model"]))
    yield facts(
        ("task", document["task"]),
        ("input", size),
        (f"classes: {len(classes)}", (named, more)),
        ("outputs for", document["contract"]),
        ("bundle", foreign(document["folder"])),
    )
    builds = ((element("a", name_of(a), href=f"#build-{index}")) for index, a in enumerate(document["artifacts"]))
    yield element("nav", builds, aria_label="Builds")


def cards(sheet: Sheet) -> Element:
    """What matters of each build."""
    return element("div", (card(sheet, index) for index in range(len(sheet.at("artifacts")))), class_="cards")


def card(sheet: Sheet, index: int) -> Element:
    """One build's."""
    at: Place = ("artifacts", index)
    artifact = sheet.at(*at)
    predicted = artifact["predicted"] and (
        sheet.figure(MS, *at, "predicted", "ms"),
        " (",
        sheet.figure(decimals(1), *at, "predicted", "low"),
        " to ",
        sheet.figure(decimals(1), *at, "predicted", "high"),
        ")",
    )
    cpu = sheet.figure(WHOLE, *at, "cpu_ops")
    return element(
        "section",
        element("h3", name_of(artifact), verdict(artifact["parity"])),
        facts(
            ("predicted, one core, inference alone", predicted or "not predicted"),
            ("measured on a board", measured(sheet, at)),
            ("detections lost when verified", sheet.figure(PERCENT, *at, "loss", "detections")),
            *((said, sheet.figure(POINTS, *place)) for said, place in points(artifact, at)),
            ("operators on the NPU", sheet.figure(WHOLE, *at, "placement", "npu")),
            ("on the CPU", element("span", cpu, class_="warn" if artifact["cpu_ops"] else None)),
            ("cycles", sheet.figure(MEGA, *at, "placement", "cycles")),
            ("traffic", sheet.figure(KB_AS_MB, *at, "placement", "traffic_kb")),
            ("file", sheet.figure(MEGABYTES, *at, "bytes")),
            ("memory: weights + between operators", memory(sheet, at)),
        ),
        element("small", "Predicted: ", artifact["predicted"]["basis"], ".") if artifact["predicted"] else None,
        class_="card",
    )


def verdict(parity: Mapping[str, Any]) -> Element:
    """Whether it agreed with fp32 when it was built."""
    if not parity:
        return element("span", "not verified", class_="warn")
    said, look = ("agrees with fp32", "good") if parity["passed"] else ("DISAGREES with fp32", "bad")
    return element("span", said, class_=look)


def measured(sheet: Sheet, at: Place) -> Content:
    """The latest measurement's median."""
    entries = sheet.at(*at, "measured")
    if not entries:
        return "not measured"
    last = (*at, "measured", len(entries) - 1)
    return sheet.figure(MS, *last, "stages", "infer", "p50"), f", {sheet.at(*last, 'date')}"


def points(artifact: Mapping[str, Any], at: Place) -> Iterator[tuple[Content, Place]]:
    """What each measured mAP lost."""
    for index, lost in enumerate(artifact["loss"]["points"]):
        yield (f"mAP points lost, {lost['metric']}, ", foreign(lost["data"])), (*at, "loss", "points", index, "map")


def memory(sheet: Sheet, at: Place) -> Content:
    """What it takes, against what is in the chip's package."""
    packages = sheet.at(*at, "ram_mb")
    against: Content = ", the memory is the board's"
    if packages:
        each = [(" or ", sheet.figure(WHOLE, *at, "ram_mb", index)) for index in range(len(packages))]
        against = (" of ", each[0][1], each[1:], " MB in the chip")
    return (
        sheet.figure(KB_AS_MB, *at, "memory", "weights_kb"),
        " + ",
        sheet.figure(KB_AS_MB, *at, "memory", "internal_kb"),
        against,
    )


def missing(sheet: Sheet) -> Element | None:
    """What the bundle does not hold, and what would find it out: the same of several builds once."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for artifact in sheet.at("artifacts"):
        soc = f" --soc {artifact['soc']}"
        for one in artifact["missing"]:
            key = one["what"], one["how"].replace(soc, " --soc SOC")
            found.setdefault(key, []).append((name_of(artifact), one["how"]))
    if not found:
        return None
    lines = []
    for (what, how), builds in found.items():
        named = ", ".join(name for name, _ in builds)
        command = how if len(builds) > 1 else builds[0][1]
        lines.append(element("li", foreign(what), f" ({named})", [": ", element("code", command)] if how else None))
    return element("section", element("h2", "What is not known"), element("ul", lines), id="missing")


def parity_figures() -> Iterator[tuple[str, str, int]]:
    """Key, heading and digits of what builds were compared by."""
    for key, heading, _ in PARITY:
        yield key, heading, 2 if key in ("keypoint_px", "angle_degrees") else 3
