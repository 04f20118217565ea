"""The end of a page: what boards measured, how to run the model, versions and checksums."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from rknn_zoo_e2e.boards.soc import SOCS
from rknn_zoo_e2e.bundle.measurement import board_text, clock_of, clock_text, software_text
from rknn_zoo_e2e.reporting.html import Content, Element, element, foreign
from rknn_zoo_e2e.reporting.overview import MS
from rknn_zoo_e2e.reporting.sheet import NOTHING, WHOLE, Column, Place, Sheet, decimals, table
from rknn_zoo_e2e.tasks.contract import find_contract


def measurements(sheet: Sheet, at: Place) -> Iterator[Element]:
    """What boards measured of a build."""
    entries = sheet.at(*at, "measured")
    if not entries:
        return
    columns = (
        Column("date", "date", kind="word"),
        Column("board", "board", kind="text"),
        Column("p50", "ms, half of the runs"),
        Column("p90", "90 %"),
        Column("p99", "99 %"),
        Column("fps", "frames a second"),
        Column("pooled", "on all cores"),
        Column("clock", "NPU clock", kind="word"),
        Column("by", "by", kind="text"),
    )
    rows: list[list[Content]] = []
    for index, entry in enumerate(entries):
        one = (*at, "measured", index)
        npu = clock_of(entry, "npu")
        rows.append(
            [
                foreign(entry["date"]),
                foreign(board_text(entry)),
                *(sheet.figure(MS, *one, "stages", "infer", part) for part in ("p50", "p90", "p99")),
                sheet.figure(decimals(1), *one, "fps", "one_by_one"),
                sheet.figure(decimals(1), *one, "fps", "pooled"),
                foreign(clock_text(npu)) if npu else NOTHING,
                foreign(software_text(entry)),
            ]
        )
    yield element("h3", "Measured on boards")
    yield table(
        columns,
        rows,
        "Milliseconds: inference on one core, by e2erknn bench. Frames a second: from a picture to its detections",
    )


def running(sheet: Sheet) -> Iterator[Element]:
    """How to run it."""
    document = sheet.document
    folder, contract = document["folder"], find_contract(document["contract"])
    known = [SOCS[a["soc"]] for a in document["artifacts"] if a["soc"] in SOCS]
    if any(soc.python for soc in known) or not known:
        yield element("p", "On the board, with the bundle copied there, or on a PC in the simulator:")
        yield code(f"e2erknn demo image.jpg --model {shlex.quote(folder)}")
        yield code(
            "from rknn_zoo_e2e import load\n\n"
            f"with load({folder!r}) as model:\n"
            '    result = model("image.jpg")  # boxes, scores, class_ids ...: numpy, in px of the picture\n'
        )
    if contract.cpp and document["artifacts"]:
        file = f"{folder}/{document['artifacts'][0]['file']}"
        yield element("p", "By the C++ program, on every chip:")
        yield code(f"e2erknn-run {shlex.quote(file)} image.jpg --out drawn")
    if contract.name != "ultralytics":
        yield element("p", f"Its outputs are for {contract.readers} (convert --for {contract.name}).")


def code(text: str) -> Element:
    """Something to type."""
    return element("pre", element("code", text))


def versions(sheet: Sheet) -> Iterator[Element]:
    """What made the files, and how to tell that they are the same."""
    document = sheet.document
    made = {
        **(document["versions"] or {}),
        **{f"rknn-toolkit2 of {a['file']}": a["toolkit"] for a in sheet.at("artifacts")},
    }
    rows: list[list[Content]] = [[foreign(name), foreign(version)] for name, version in made.items()]
    yield table([Column("what", "what", kind="text"), Column("version", "version", kind="text")], rows, "Made with")
    sums = {"the checkpoint": document["weights_sha256"], **document["files"]}
    rows = [[foreign(name), element("code", value)] for name, value in sums.items()]
    yield table([Column("file", "file", kind="text"), Column("sum", "SHA-256", kind="text")], rows, "Checksums")


def seconds(sheet: Sheet, at: Place) -> Content:
    """How long a build took."""
    return "Built in ", sheet.figure(WHOLE, *at, "seconds"), " s."
