"""The page of the zoo's table, docs/zoo.md, as a function of the cards and of the rows in ``models/measured/``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo_rows import BOTH_LAYOUTS, SMALL_SOCS, wanted, wants, zoo

from rknn_zoo_e2e.boards.soc import SAME_FILES, SOCS
from rknn_zoo_e2e.boards.speed import Cost, predict, predictable
from rknn_zoo_e2e.cli.list import accuracy
from rknn_zoo_e2e.zoo.cards import ModelCard
from rknn_zoo_e2e.zoo.measured import find_row, read_measured

PAGE = Path(__file__).parent.parent / "docs" / "zoo.md"
SPACE, HYPHEN = "\N{NO-BREAK SPACE}", "\N{NON-BREAKING HYPHEN}"
NOT_YET, FAILED, NOT_WANTED = "not yet", "**no build**", ""

INTRODUCTION = """\
# The zoo on each chip

How fast each model of the zoo will be, before there is a board, and what that is predicted from. Written by
`python scripts/zoo_table.py` from the rows in `models/measured/`; nothing is to be edited here.

**Nothing on this page was measured on a board.** Cycles, traffic and what is left to the CPU are from the compiler's
table of rknn-toolkit2 {toolkit}, of INT8 builds as `e2erknn convert` makes them (recipe {recipe}), at the size a
model was trained at. Milliseconds are a **prediction** made of these three, fitted to the speeds Rockchip publishes for
13 other graphs ([benchmarks.md](benchmarks.md#predicted-speed) says how far off it is): INT8, one NPU core at its
highest clock, one picture, inference alone. Reading the picture, letterbox and NMS come on top.

How to read it:

- `36 (31-41)`: most likely 36 ms a picture, and hardly less than 31 or more than 41: the interval is as wide as the
  fit was wrong at worst about a published graph it did not know. Nobody publishes speeds for rv1106 and rv1126b, so
  nothing is predicted there.
- `12.0 / 45`: millions of NPU cycles, and the MB (of 1024 KB) that operators read and write. `+ 1 CPU`: so many
  operators are left to the CPU; where nothing is said, all run on the NPU. Exact figures are in `models/measured/`.
- Layouts are those `convert` uses where none is asked for: grid on rv1106 and rv1126b, flat elsewhere. In layout flat
  rk3566 and rk3568, which run the same files, leave the last Reshape to the CPU. The column *grid* beside theirs is the
  same model with `--layout grid`, which does not: most models of 80 classes at 640 px are 11 ms faster for it.
- *mAP* is what the maker of the weights publishes for fp32: mAP50-95 x 100 of boxes, key points, masks or rotated
  boxes; mAP50 where (50) stands beside it; `-` where nothing is published. *params M* are millions of parameters.
- An empty cell: this page does not cover models of that size on that chip or in that layout, though `convert` builds
  them. *{not_yet}*: it will, but the row is not there yet. {failed}: it was tried and failed, for the reason below the
  table.
- `e2erknn list 'yolo*n' --soc rk3588` shows the same predictions, `convert` and `inspect` those of your own models.
"""

OF_TASK = {
    "detect": ("Detect", "Boxes of COCO's 80 classes."),
    "pose": ("Pose", "Boxes of persons with 17 key points."),
    "segment": ("Segment", "Boxes and masks of COCO's 80 classes."),
    "obb": ("Rotated boxes (obb)", "Boxes that lie at an angle, of DOTA's 15 classes."),
}


@dataclass(frozen=True)
class Column:
    """A SoC and a layout, and what their column is called."""

    soc: str
    layout: str
    heading: str


def columns() -> list[Column]:
    """Of all tables, in the order of the page."""
    found = []
    for soc in SMALL_SOCS:
        own = SOCS[soc].layout
        same = next((pair for pair in SAME_FILES if soc in pair), (soc,))
        found.append(Column(soc, own, "/".join((same[0], *(name[-2:] for name in same[1:])))))
        if soc in BOTH_LAYOUTS:
            found.append(Column(soc, "grid", "grid"))
    return found


def cell(card: ModelCard, column: Column) -> dict[str, Any] | str:
    """The row of a build, or what stands in its place."""
    row = find_row(read_measured(card.name), column.soc, column.layout)
    if row is None:
        return NOT_YET if wants(card, column.soc, column.layout) else NOT_WANTED
    return FAILED if "error" in row else row


def speed(card: ModelCard, column: Column) -> str:
    """Predicted milliseconds and their interval, which stay on one line."""
    row = cell(card, column)
    if isinstance(row, str):
        return row
    predicted = predict(column.soc, "int8", row)
    if predicted is None:
        return "-"
    return f"{short(predicted.ms)}{SPACE}({predicted.low:.0f}{HYPHEN}{predicted.high:.0f})"


def figures(card: ModelCard, column: Column) -> str:
    """What the compiler says."""
    row = cell(card, column)
    if isinstance(row, str):
        return row
    cost = Cost.of(row)
    on_cpu = f" + {len(row['cpu'])} CPU" if row["cpu"] else ""
    return f"{short(cost.cycles)} / {short(cost.traffic)}{on_cpu}".replace(" ", SPACE)


def short(value: float) -> str:
    """A number as it is shown: a tenth says nothing of a large one."""
    return f"{value:.1f}" if value < 20 else f"{value:.0f}"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """In Markdown, numbers to the right; as wide as its cells, so that it reads well as text."""
    widths = [max(len(row[i]) for row in (headings, *rows)) for i in range(len(headings))]
    marks = ["-" * w if i < left else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    sides = [str.ljust if i < left else str.rjust for i in range(len(widths))]
    out = ["| " + " | ".join(map(lambda side, text, w: side(text, w), sides, row, widths)) + " |" for row in rows]
    head = ["| " + " | ".join(str.ljust(text, w) for text, w in zip(headings, widths, strict=True)) + " |"]
    return "\n".join([*head, "|" + "|".join(f" {mark} " for mark in marks) + "|", *out])


def version(card: ModelCard) -> int:
    """YOLO's: 26 of yolo26."""
    return int("".join(re.findall(r"\d+", card.family)))


def cards_of(task: str) -> list[ModelCard]:
    """The models of a task, the newest family first, from small to large."""
    cards = [card for card in zoo() if card.task == task]
    return sorted(cards, key=lambda card: (-version(card), card.imgsz, card.params or 0))


def sizes(cards: Sequence[ModelCard]) -> str:
    """A sentence on the inputs they were trained at, px: that of most, and which have another."""
    usual, others = Counter(card.imgsz for card in cards).most_common(1)[0][0], []
    for size in sorted({card.imgsz for card in cards} - {usual}):
        others.append(f"; {', '.join(card.name for card in cards if card.imgsz == size)}: {size} px")
    return f"Input: {usual} px{''.join(others)}."


def section(task: str) -> Iterator[str]:
    """One task: predicted speeds, what they are made of, and what cannot be built."""
    title, about = OF_TASK[task]
    cards = cards_of(task)
    its = [column for column in columns() if predictable(column.soc)]
    facts = [[c.name, f"{c.params / 1e6:.1f}" if c.params else "-", accuracy(c)] for c in cards]
    yield f"## {title}\n\n{about} {sizes(cards)}"
    yield "Predicted milliseconds a picture:"
    headings = ["model", "params M", "mAP", *(column.heading for column in its)]
    yield table(headings, [[*fact, *(speed(c, x) for x in its)] for fact, c in zip(facts, cards, strict=True)])
    yield "From the compiler's table, Mcycles / MB:"
    headings = ["model", *(column.heading for column in columns())]
    yield table(headings, [[c.name, *(figures(c, column) for column in columns())] for c in cards])
    if failed := [line for card in cards for line in failures(card)]:
        yield "No build:\n\n" + "\n".join(failed)


def failures(card: ModelCard) -> Iterator[str]:
    """A line for each build that failed."""
    for column in columns():
        row = find_row(read_measured(card.name), column.soc, column.layout)
        if row and "error" in row:
            yield f"- {card.name}, {column.soc}, layout {column.layout}: {row['error']}"


RETENTION = """\
## What INT8 keeps

mAP50-95 x 100 of INT8 in the vendor's simulator, built for rk3566 from 40 calibration pictures (COCO train2017; 25
aerial ones for obb), and of the same bundle's fp32 graph, by Ultralytics' own validator on the same pictures: COCO
val2017, and for obb DOTA pictures the model has seen. *Kept* is INT8 in per cent of fp32. The interval has 95 of 100
values that came of drawing as many pictures from these with replacement, 400 times (paired bootstrap); so few pictures
say little about one per cent, and a value above 100 is chance. The checkpoints were rebuilt from public INT8 exports,
whose weights stay exact here; others lose a little more.
"""
COMMANDS = """\
Measured were the {count} of {all} models whose weights were at hand. Each line is made by

```
E2ERKNN_WEIGHTS=... E2ERKNN_DATA=... python scripts/bench_interval.py yolov8n --record
```
"""


def retention() -> Iterator[str]:
    """What INT8 keeps, by task."""
    known = [(card, kept) for task in OF_TASK for card in cards_of(task) if (kept := kept_of(card))]
    yield RETENTION.strip()
    headings = ["model", "metric", "pictures", "fp32", "INT8", "kept %", "95 of 100 draws"]
    rows = []
    for card, r in known:
        share = f"{100 * r['int8'] / r['fp32']:.1f}", f"{r['low']:.1f} to {r['high']:.1f}"
        rows.append([card.name, r["metric"], str(r["images"]), f"{r['fp32']:.1f}", f"{r['int8']:.1f}", *share])
    yield table(headings, rows, 2)
    yield COMMANDS.format(count=len(known), all=len(zoo())).strip()


def kept_of(card: ModelCard) -> dict[str, Any] | None:
    """What was measured of a model in INT8."""
    found: dict[str, Any] | None = read_measured(card.name).get("retention")
    return found


MAKING = """\
## Making it again

```
python scripts/zoo_table.py
```

It builds untrained models of each architecture from two drawn pictures, without verifying: neither weights nor ranges
matter to the compiler's table. A row is kept as soon as it is there, so the same command goes on where it was stopped;
rows of another toolkit or recipe are built again. {there} of {all} builds are there, {failed}. They took
{builds} of wall time, each in a process of its own on a PC of two cores that was busy with other work;
what INT8 keeps took {retention}.
"""


def hours(seconds: float) -> str:
    """Seconds in words."""
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def making() -> str:
    """How many rows there are, and how long they took."""
    expected = [(one.card, soc.name, one.layout_of(soc)) for one in wanted() for soc in one.socs]
    rows = [row for card, soc, layout in expected if (row := find_row(read_measured(card.name), soc, layout))]
    measured = [found["seconds"] for card in zoo() if (found := kept_of(card))]
    failed = sum("error" in row for row in rows)
    return MAKING.format(
        there=len(rows),
        all=len(expected),
        failed=f"{failed} of which failed" if failed else "none of which failed",
        builds=hours(sum(row["seconds"] for row in rows)),
        retention=hours(sum(measured)),
    ).strip()


def introduction() -> str:
    """With the versions the rows are from."""
    files = [data for card in zoo() if (data := read_measured(card.name))]
    said = {key: ", ".join(sorted({str(data[key]) for data in files})) for key in ("toolkit", "recipe")}
    return INTRODUCTION.format(**said, not_yet=NOT_YET, failed=FAILED).strip()


def page() -> str:
    """The whole page."""
    parts = [introduction(), *(part for task in OF_TASK for part in section(task)), *retention(), making()]
    return "\n\n".join(parts) + "\n"
