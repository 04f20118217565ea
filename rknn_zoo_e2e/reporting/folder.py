"""The page that compares the bundles of a folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rknn_zoo_e2e.reporting.facts import Document, as_build
from rknn_zoo_e2e.reporting.html import Content, Element, element, foreign, page
from rknn_zoo_e2e.reporting.overview import verdict
from rknn_zoo_e2e.reporting.page import footer
from rknn_zoo_e2e.reporting.sheet import (
    KB_AS_MB,
    MEGA,
    MEGABYTES,
    NOTHING,
    PERCENT,
    WHOLE,
    Column,
    Place,
    Sheet,
    chart,
    decimals,
    table,
)

KEY = "builds"
COLUMNS = (
    Column("model", "model", kind="text"),
    Column("task", "task", kind="word"),
    Column("soc", "SoC", kind="word"),
    Column("precision", "precision", kind="word"),
    Column("size", "px"),
    Column("bytes", "file"),
    Column("cpu", "CPU ops"),
    Column("cycles", "cycles"),
    Column("traffic", "traffic"),
    Column("ms", "predicted ms"),
    Column("measured", "measured ms"),
    Column("lost", "detections lost"),
    Column("iou", "IoU"),
    Column("map", "mAP50-95"),
    Column("points", "points lost"),
    Column("verified", "verified", kind="word"),
)


def folder_page(document: Document) -> bytes:
    """The page of several bundles.

    Args:
        document: ``{"folder", "bundles": [document_of(...)], "unreadable": [{"bundle", "what"}]}``.
    """
    sheet = Sheet(document)
    rows = [
        row(sheet, number, index)
        for number, bundle in enumerate(document["bundles"])
        for index in range(len(bundle["artifacts"]))
    ]
    return page(
        "Bundles compared: e2erknn report",
        element("h1", "Bundles of ", foreign(document["folder"])),
        element("p", f"{len(rows)} builds of {len(document['bundles'])} bundles. A click on a heading sorts."),
        charts(document),
        table(
            COLUMNS,
            rows,
            "px: height of the input. mAP × 100 and points: as measured last, of the task's own kind",
            KEY,
        ),
        unreadable(document),
        footer(),
    )


def row(sheet: Sheet, number: int, index: int) -> list[Content]:
    """One build's."""
    bundle, at = sheet.at("bundles", number), ("bundles", number, "artifacts", index)
    artifact, loss = sheet.at(*at), (*at, "loss")
    measured = (*at, "measured", len(artifact["measured"]) - 1)
    return [
        foreign(bundle["model"]),
        bundle["task"],
        artifact["soc"],
        artifact["precision"],
        sheet.figure(WHOLE, "bundles", number, "imgsz", 0),
        sheet.figure(MEGABYTES, *at, "bytes"),
        sheet.figure(WHOLE, *at, "cpu_ops"),
        sheet.figure(MEGA, *at, "placement", "cycles"),
        sheet.figure(KB_AS_MB, *at, "placement", "traffic_kb"),
        sheet.figure(decimals(1), *at, "predicted", "ms"),
        sheet.figure(decimals(1), *measured, "stages", "infer", "p50") if artifact["measured"] else NOTHING,
        sheet.figure(PERCENT, *loss, "detections"),
        sheet.figure(decimals(3), *at, "parity", "mean_iou"),
        own_map(sheet, at),
        sheet.figure(decimals(2), *loss, "points", len(artifact["loss"]["points"]) - 1, "map")
        if artifact["loss"]["points"]
        else NOTHING,
        verdict(artifact["parity"]),
    ]


def own_map(sheet: Sheet, at: Place) -> Content:
    """The mAP that was measured last, of the kind that is the task's own."""
    runs = [(i, run) for i, run in enumerate(sheet.at(*at, "evaluations")) if as_build(run) and run["metrics"]]
    if not runs:
        return NOTHING
    index, run = runs[-1]
    return sheet.figure(decimals(2, divisor=0.01), *at, "evaluations", index, "metrics", [*run["metrics"]][-1], "map")


def charts(document: Mapping[str, Any]) -> Iterator[Element]:
    """Loss against predicted speed, for what has both."""
    builds = [a for bundle in document["bundles"] for a in bundle["artifacts"] if a["predicted"]]
    told = {"x": "ms", "label": "model", "group": "soc", "x_title": "predicted ms a picture"}
    if any(a["loss"]["detections"] is not None for a in builds):
        said = "fp32's detections lost, against predicted speed"
        yield chart("points", KEY, said, y="lost", y_title="share of detections lost", y_at_least="0.05", **told)
    if any(a["loss"]["points"] for a in builds):
        yield chart(
            "points", KEY, "mAP points lost, against predicted speed", y="points", y_title="points lost", **told
        )


def unreadable(document: Mapping[str, Any]) -> Element | None:
    """What could not be read, and why."""
    found = document["unreadable"]
    if not found:
        return None
    lines = (element("li", foreign(one["bundle"]), ": ", foreign(one["what"])) for one in found)
    return element("section", element("h2", "Left out"), element("ul", lines))
