"""What is lost against fp32: parity, mAP, precision by recall, scores, and pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rknn_zoo_e2e.reporting.facts import as_build
from rknn_zoo_e2e.reporting.html import Content, Element, element, foreign, picture
from rknn_zoo_e2e.reporting.overview import name_of, parity_figures
from rknn_zoo_e2e.reporting.sheet import NOTHING, WHOLE, Column, Place, Sheet, chart, decimals, folded, most, table
from rknn_zoo_e2e.runtime.registry import BACKENDS

if TYPE_CHECKING:
    from rknn_zoo_e2e.reporting.pictures import Answer, Shown

BOTH, ONLY_FP32, ONLY_BUILD = "found by both", "only by fp32", "only by the build"
MOST_NAMED = 3  # detections, one by one
HUNDREDFOLD = decimals(2, divisor=0.01)
STEPS = (1, 2, 5, 10, 20)  # from one recall of a curve that is told to the next, hundredths


def parity(sheet: Sheet) -> Element:
    """How each build compared with fp32 when it was made."""
    keys = [one for one in parity_figures() if any(one[0] in a["parity"] for a in sheet.at("artifacts"))]
    columns = [
        Column("build", "build", kind="word"),
        Column("passed", "verified", kind="word"),
        Column("pictures", "pictures"),
        Column("detections", "detections of fp32"),
        *(Column(key, heading) for key, heading, _ in keys),
        Column("cosine", "cosine of scores"),
    ]
    rows = []
    for index, artifact in enumerate(sheet.at("artifacts")):
        at = ("artifacts", index, "parity")
        passed = {True: "ok", False: "FAILED", None: "no"}[artifact["parity"].get("passed")]
        rows.append(
            [
                name_of(artifact),
                passed,
                sheet.figure(WHOLE, *at, "pictures"),
                sheet.figure(WHOLE, *at, "detections"),
                *(sheet.figure(decimals(digits), *at, key) for key, _, digits in keys),
                sheet.figure(decimals(4), *at, "cosine", "scores"),
            ]
        )
    caption = "As convert verified them, in the vendor's simulator, on the calibration pictures"
    return table(columns, rows, caption)


def measured_map(sheet: Sheet) -> Element | None:
    """The mAP that ``eval`` measured, with what a build lost."""
    columns = [
        Column("build", "build", kind="word"),
        Column("data", "data", kind="text"),
        Column("images", "pictures"),
        Column("skipped", "not usable"),
        Column("metric", "of", kind="word"),
        Column("map50", "mAP50"),
        Column("map", "mAP50-95"),
        Column("lost", "points lost"),
        Column("where", "measured in", kind="word"),
    ]
    rows: list[list[Content]] = []
    for index, number, run in different(sheet, "evaluations"):
        artifact, at = sheet.at("artifacts", index), ("artifacts", index, "evaluations", number)
        for metric in run["metrics"]:
            rows.append(
                [
                    who(artifact, run),
                    foreign(run["data"]),
                    sheet.figure(WHOLE, *at, "images"),
                    sheet.figure(WHOLE, *at, "skipped"),
                    foreign(metric),
                    sheet.figure(HUNDREDFOLD, *at, "metrics", metric, "map50"),
                    sheet.figure(HUNDREDFOLD, *at, "metrics", metric, "map"),
                    lost(sheet, index, run, metric),
                    title(run),
                ]
            )
    return table(columns, rows, "mAP × 100, by e2erknn eval") if rows else None


def different(sheet: Sheet, key: str) -> Iterator[tuple[int, int, Mapping[str, Any]]]:
    """All runs of ``eval`` with the indices of their artifact and of their own; those of fp32 that are equal once."""
    seen: list[Mapping[str, Any]] = []
    for index, artifact in enumerate(sheet.at("artifacts")):
        for number, run in enumerate(artifact[key]):
            if as_build(run) or run not in seen:
                seen.append(run)
                yield index, number, run


def who(artifact: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    """Whose accuracy an evaluation is."""
    return name_of(artifact) if as_build(run) else "fp32"


def title(run: Mapping[str, Any]) -> Content:
    """Where it was measured."""
    backend = BACKENDS.get(run["backend"])
    return backend.title if backend else foreign(run["backend"])


def lost(sheet: Sheet, index: int, run: Mapping[str, Any], metric: str) -> Content:
    """The points of one measurement."""
    keys = ("data", "images", "backend")
    for number, one in enumerate(sheet.at("artifacts", index, "loss", "points")):
        if one["metric"] == metric and all(one[key] == run[key] for key in keys):
            return sheet.figure(decimals(2), "artifacts", index, "loss", "points", number, "map")
    return NOTHING


def curves(sheet: Sheet) -> Iterator[Element]:
    """Precision by recall: a chart for each data set and kind of accuracy."""
    series: dict[tuple[str, int, str], list[tuple[str, Place]]] = {}
    for index, number, run in different(sheet, "curves"):
        for kind in run["precision"]:
            place = ("artifacts", index, "curves", number, "precision", kind)
            named = f"{who(sheet.at('artifacts', index), run)}, {run['backend']}"
            series.setdefault((run["data"], run["images"], kind), []).append((named, place))
    if not series:
        yield element("p", "No precision by recall is kept: e2erknn eval finds it.", class_="soft")
    for count, ((data, images, kind), found) in enumerate(series.items()):
        yield element("h3", f"Precision by recall: {kind}, ", foreign(data), f", {images} pictures")
        yield from curve(sheet, f"curve-{count}", found)


def curve(sheet: Sheet, key: str, series: Sequence[tuple[str, Place]]) -> Iterator[Element]:
    """One chart and its table."""
    keys = [f"line-{index}" for index in range(len(series))]
    count = len(sheet.at("recalls"))
    step = next(step for step in STEPS if count <= sheet.rows * step or step == STEPS[-1])
    columns = [Column("recall", "recall"), *(Column(k, name) for k, (name, _) in zip(keys, series, strict=True))]
    rows = [
        [sheet.figure(decimals(2), "recalls", row), *(sheet.figure(decimals(3), *at, row) for _, at in series)]
        for row in range(0, count, step)
    ]
    said = "Precision at each recall, IoU 0.5, mean over classes"
    yield chart("lines", key, said, x="recall", y=" ".join(keys), x_title="recall", y_title="precision")
    yield element("div", folded("The numbers", table(columns, rows, said, key)), class_="tall")


def scores(sheet: Sheet, at: Place, key: str) -> Iterator[Element]:
    """Scores of fp32 and of a build, detection by detection.

    Args:
        at: the build's place.
        key: for its table.
    """
    yield element("h3", "Scores: fp32 against this build")
    found = sheet.at(*at, "agreement")
    if not found:
        yield element("p", "No pictures were compared: give some with --calib.", class_="soft")
        return
    where = (*at, "agreement")
    yield element(
        "p",
        "On ",
        sheet.figure(WHOLE, *where, "pictures"),
        " pictures of ",
        foreign(found["data"]),
        ", ",
        title(found),
        ": ",
        sheet.figure(WHOLE, *where, "parity", "detections"),
        " detections of fp32, ",
        sheet.figure(WHOLE, *where, "lost"),
        " of them lost, ",
        sheet.figure(WHOLE, *where, "new"),
        " new. Scores are ",
        sheet.figure(decimals(3), *where, "parity", "score_difference"),
        " apart in the mean, boxes overlap by ",
        sheet.figure(decimals(3), *where, "parity", "mean_iou"),
        ".",
    )
    if not found["scores"]:
        return
    columns = (Column("kind", "detection", kind="word"), Column("fp32", "fp32"), Column("build", "this build"))
    pairs = found["scores"]
    kept = most([apart(pair) for pair in pairs], sheet.rows)
    rows: list[list[Content]] = [
        [
            kind_of(pairs[index]),
            sheet.figure(decimals(3), *where, "scores", index, 0),
            sheet.figure(decimals(3), *where, "scores", index, 1),
        ]
        for index in kept
    ]
    whole = len(rows) == len(pairs)
    of = "Each detection's score" if whole else f"Scores of the {len(rows)} detections that are furthest apart"
    said = f"{of}; what one side has not found lies on an axis"
    axes = {"x_title": "fp32", "y_title": "this build", "diagonal": "equal"}
    yield chart("points", key, said, x="fp32", y="build", label="kind", group="kind", **axes)
    summary = f"All {len(rows)} scores" if whole else f"{len(rows)} of {len(pairs)} scores"
    yield element("div", folded(summary, table(columns, rows, said, key)), class_="tall")


def apart(pair: Sequence[float | None]) -> float:
    """How much the scores of a detection differ: by 1 at least where one side has not found it."""
    return 1 + sum(filter(None, pair)) if None in pair else abs((pair[0] or 0) - (pair[1] or 0))


def kind_of(pair: Sequence[float | None]) -> str:
    """Who found a detection."""
    return ONLY_BUILD if pair[0] is None else ONLY_FP32 if pair[1] is None else BOTH


def pictures(sheet: Sheet, shown: Sequence[Shown]) -> Iterator[Element]:
    """Pictures on which builds are furthest from fp32: fp32, then each build, those that find the same once.

    Args:
        shown: the first of ``pictures`` in the document, in its order.
    """
    yield element(
        "p",
        "Lost: fp32 scores it above ",
        sheet.figure(decimals(2), "thresholds", "expected"),
        ", and the build has nothing like it above ",
        sheet.figure(decimals(2), "thresholds", "found"),
        ". New: the other way round. Drawn is what scores above the latter.",
        class_="soft",
    )
    if away := sheet.at("pictures")[len(shown) :]:
        names = [part for one in away for part in (", ", foreign(one["name"]))][1:]
        yield element("p", "No room is left on the page for ", names, ".", class_="soft")
    for index, one in enumerate(shown):
        yield element("h3", foreign(one.picture.name))
        figures = [figure("fp32", one.fp32, "what fp32 finds")]
        for answer, jpeg in zip(one.picture.answers, one.answers, strict=True):
            figures.append(found_by(sheet, index, answer, jpeg))
        yield element("div", figures, class_="triple")


def found_by(sheet: Sheet, index: int, answer: Answer, jpeg: bytes) -> Element:
    """What builds find in the i-th picture."""
    builds = sheet.at("pictures", index, "builds")
    told = [number for number, build in enumerate(builds) if build["sha256"] in answer.builds]
    at = ("pictures", index, "builds", told[0])
    names = ", ".join(name_of(builds[number]) for number in told)
    return figure((names, ": ", missed(sheet, at, "lost"), ", ", missed(sheet, at, "new")), jpeg, f"what {names} finds")


def missed(sheet: Sheet, at: Place, kind: str) -> Iterator[Content]:
    """How many detections one side alone has, and which."""
    yield sheet.figure(WHOLE, *at, kind), f" {kind}"
    found = sheet.at(*at, f"{kind}_detections")
    for index, one in enumerate(found[:MOST_NAMED]):
        score = sheet.figure(decimals(2), *at, f"{kind}_detections", index, "score")
        yield ", " if index else " (", foreign(one["label"]), " ", score
    yield f" and {len(found) - MOST_NAMED} more)" if len(found) > MOST_NAMED else ")" if found else None


def figure(caption: Content, jpeg: bytes, said: str) -> Element:
    """A picture and what is said of it."""
    return element("figure", element("figcaption", caption), picture(jpeg, said))
