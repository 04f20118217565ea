"""A build by its layers: what each costs, and what INT8 loses there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rknn_zoo_e2e.bundle.analysis import named
from rknn_zoo_e2e.reporting.html import Content, Element, element, foreign
from rknn_zoo_e2e.reporting.sheet import PERCENT, WHOLE, Column, Place, Sheet, chart, decimals, folded, most, table

NPU = "NPU"
NAMED = 3  # blocks in a sentence


def cost(sheet: Sheet, at: Place, key: str) -> Iterator[Element]:
    """Cycles and traffic of each operator, and where it runs.

    Args:
        at: the build's place.
        key: for its table.
    """
    layers = sheet.at(*at, "layers")
    yield element("h3", "Cost by layer")
    if not layers:
        yield element("p", "The build log, which has it, is not in the bundle.", class_="soft")
        return
    left = sum(layer["target"] != NPU for layer in layers)
    if left:
        said = "1 operator runs on the CPU; it is" if left == 1 else f"{left} operators run on the CPU; they are"
        yield element("p", f"{said} marked.", class_="warn")
    kept = most([(layer["target"] != NPU, layer["cycles"], layer["kb"]) for layer in layers], sheet.rows)
    whole = len(kept) == len(layers)
    of = "each layer" if whole else f"the {len(kept)} layers that cost most"
    for y, said in (("cycles", f"Cycles of {of}, in order"), ("kb", f"KB read and written by {of}, in order")):
        marks = {"mark": "target", "unmarked": NPU, "mark_title": "on the CPU"}
        yield chart("bars", key, said, y=y, label="name", x_title="layers, first to last", **marks)
    columns = (
        Column("index", "#"),
        Column("op", "operator", kind="word"),
        Column("dtype", "type", kind="word"),
        Column("target", "on", kind="word"),
        Column("shape", "output", kind="word"),
        Column("cycles", "cycles"),
        Column("kb", "KB"),
        Column("name", "name", kind="text"),
    )
    rows: list[list[Content]] = [
        [
            sheet.figure(WHOLE, *at, "layers", index, "index"),
            *(foreign(layers[index][key]) for key in ("op", "dtype", "target", "shape")),
            sheet.figure(WHOLE, *at, "layers", index, "cycles"),
            sheet.figure(WHOLE, *at, "layers", index, "kb"),
            foreign(layers[index]["name"]),
        ]
        for index in kept
    ]
    caption = "By the compiler's table: estimates, not a board's. Marked: left to the CPU"
    marked = [layers[index]["target"] != NPU for index in kept]
    summary = f"All {len(layers)} layers" if whole else f"{len(kept)} of {len(layers)} layers"
    yield element("div", folded(summary, table(columns, rows, caption, key, marked)), class_="tall")


def error(sheet: Sheet, at: Place, key: str) -> Iterator[Element]:
    """What INT8 loses in each block (``e2erknn analyze``); arguments as of :func:`cost`."""
    yield element("h3", "Error by layer")
    found = sheet.at(*at, "analysis")
    if not found:
        yield element("p", "e2erknn analyze has not been run on this build.", class_="soft")
        return
    where = (*at, "analysis")
    state = "this build" if found["state"] == "build" else "the whole network in INT8"
    kinds = [kind for kind in found["errors"] if kind != "anchors"]
    means: list[Content] = []
    for kind in kinds:
        means += [", " if means else "", f"{named(kind)} ", sheet.figure(decimals(4), *where, "errors", kind)]
    yield element(
        "p",
        f"Of {state}, against fp32 on ",
        sheet.figure(WHOLE, *where, "pictures", "count"),
        " pictures of ",
        foreign(found["pictures"]["name"]),
        ", the mean error over ",
        sheet.figure(WHOLE, *where, "errors", "anchors"),
        " anchors that fp32 takes for objects: ",
        *means,
        ".",
    )
    yield element("div", leading(sheet, where, found["blocks"]))
    told = {"label": "name", "x_title": "blocks: those in INT8, worst first, then the others"}
    told |= {"mark": "int8", "unmarked": "yes", "mark_title": "not in INT8 here", "mark_colour": "soft"}
    shares = (
        "Share of the error that each block's INT8 makes; what the others save by not being in INT8, the table says"
    )
    yield chart("bars", key, shares, y="share", bare="", **told)
    yield chart("bars", key, "Signal to noise of one block alone, dB: the lower, the worse", y="snr", **told)
    columns = (
        Column("name", "block", kind="text"),
        Column("stride", "stride"),
        Column("int8", "in INT8", kind="word"),
        Column("snr", "SNR alone, dB"),
        Column("snr_state", "SNR in all, dB"),
        *(Column(f"own_{kind}", f"own error, {named(kind)}") for kind in kinds),
        *(Column(f"gain_{kind}", f"gain, {named(kind)}") for kind in kinds),
        Column("share", "gain, share"),
        Column("cycles", "cost, cycles"),
        Column("kb", "cost, KB"),
    )
    rows: list[list[Content]] = []
    for index, block in enumerate(found["blocks"][: sheet.rows]):  # worst first
        one = (*where, "blocks", index)
        rows.append(
            [
                foreign(block["name"]),
                sheet.figure(WHOLE, *one, "stride"),
                "yes" if block["int8"] else "no",
                sheet.figure(decimals(1), *one, "snr_db"),
                sheet.figure(decimals(1), *one, "snr_state_db"),
                *(sheet.figure(decimals(4), *one, what, kind) for what in ("own", "gain") for kind in kinds),
                sheet.figure(decimals(3), *one, "gain", "share"),
                sheet.figure(WHOLE, *one, "cost", "cycles"),
                sheet.figure(WHOLE, *one, "cost", "traffic_kb"),
            ]
        )
    caption = (
        "Own error: this block alone in INT8. Gain: of leaving INT8 there alone. Cost: out of INT8 more than in it"
    )
    count = len(found["blocks"])
    summary = f"All {count} blocks" if len(rows) == count else f"The first {len(rows)} of {count} blocks"
    yield element("div", folded(summary, table(columns, rows, caption, key)), class_="tall")


def leading(sheet: Sheet, where: Place, blocks: Sequence[Mapping[str, Any]]) -> Element | None:
    """The blocks whose INT8 makes the largest parts of the error, for who does not open the table."""
    inside = [index for index, block in enumerate(blocks) if block["int8"]]
    said: list[Content] = []
    for index in sorted(inside, key=lambda index: blocks[index]["gain"]["share"], reverse=True)[:NAMED]:
        share = sheet.figure(PERCENT, *where, "blocks", index, "gain", "share")
        said += [", " if said else "The largest parts come from: ", foreign(blocks[index]["name"]), " (", share, ")"]
    return element("p", said, ".") if said else None
