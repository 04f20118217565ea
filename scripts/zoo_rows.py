"""The rows of ``models/measured/``: which are wanted, in which order, and writing one.

A row is written as soon as it is there, its file whole or not at all, so that whoever stops a run loses the build that
was under way and no more. A file says which toolkit and recipe all of it is from: with others, it is made anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from rknn_zoo_e2e.boards.environment import version_of
from rknn_zoo_e2e.boards.soc import SOCS, Soc
from rknn_zoo_e2e.conversion.fingerprint import RECIPE
from rknn_zoo_e2e.files.staging import write_file
from rknn_zoo_e2e.zoo import catalogue
from rknn_zoo_e2e.zoo.card_reader import check
from rknn_zoo_e2e.zoo.cards import ModelCard
from rknn_zoo_e2e.zoo.measured import MEASURED, file_of, find_row, read_measured

SMALL_SOCS = ("rk3566", "rk3588", "rk3562", "rk3576", "rv1106", "rv1126b")
LARGE_SOCS = ("rk3566", "rk3588")
# Where the last operator of layout flat, a Reshape, is the CPU's, both layouts are of interest.
BOTH_LAYOUTS = ("rk3566",)
SMALLEST, SMALL = ("n", "n6", "t", "tiny"), ("s", "s6")  # sizes, as cards name them
FIRST_FAMILIES = ("yolov8", "yolo11", "yolo26")
HEAD = "# By scripts/zoo_table.py: INT8 at the size it was trained at.\n"


@dataclass(frozen=True)
class Wanted:
    """Builds of one model from one export.

    Attributes:
        layout: as asked for: None for each SoC's own.
    """

    card: ModelCard
    socs: tuple[Soc, ...]
    layout: str | None = None

    def layout_of(self, soc: Soc) -> str:
        return self.layout or soc.layout


def zoo() -> list[ModelCard]:
    """Ultralytics' models; the starter models are for trying things."""
    return [card for card in catalogue().values() if card.shipped is None]


def is_small(card: ModelCard) -> bool:
    return card.size in SMALLEST + SMALL


def wanted_of(card: ModelCard) -> list[Wanted]:
    """What there is to build of a model."""
    socs = SMALL_SOCS if is_small(card) else LARGE_SOCS
    found = [Wanted(card, tuple(SOCS[name] for name in socs))]
    if is_small(card):  # a large one takes so long that the other layout makes little of a difference
        found.append(Wanted(card, tuple(SOCS[name] for name in BOTH_LAYOUTS), "grid"))
    return found


def wants(card: ModelCard, soc: str, layout: str) -> bool:
    """Whether it is to be built for a SoC in a layout."""
    return any(layout == one.layout_of(SOCS[soc]) for one in wanted_of(card) if SOCS[soc] in one.socs)


def wanted() -> list[Wanted]:
    """All there is to build, the most asked for first; then the same in the other layout."""
    return sorted((one for card in zoo() for one in wanted_of(card)), key=turn)


def turn(one: Wanted) -> tuple[float, bool, bool, int]:
    """When it is built: the smallest of each family first, then the next size, then the larger ones."""
    card, later = one.card, 0.5 if one.layout else 0.0
    asked_less = card.task != "detect", card.family not in FIRST_FAMILIES
    if is_small(card):
        return (card.size in SMALL) + later, *asked_less, 0
    return 2 + asked_less[1], *asked_less, "mlx".find(card.size[:1])


def made_with() -> dict[str, Any]:
    """What decides a row."""
    return {"toolkit": version_of("rknn-toolkit2"), "recipe": RECIPE}


def kept(name: str) -> dict[str, Any]:
    """What a model's file says, as far as it holds today."""
    data, now = read_measured(name), made_with()
    return data if {key: data.get(key) for key in now} == now else {**now, "builds": {}}


def missing(one: Wanted) -> Wanted:
    """Those that are not there yet."""
    data = kept(one.card.name)
    left = [soc for soc in one.socs if find_row(data, soc.name, one.layout_of(soc)) is None]
    return Wanted(one.card, tuple(left), one.layout)


def keep_row(name: str, soc: str, layout: str, row: dict[str, Any]) -> None:
    """Adds a row to its file."""
    data = kept(name)
    data["builds"].setdefault(soc, {})[layout] = row
    write(name, data)


def keep_retention(name: str, retention: dict[str, Any]) -> None:
    """Adds what INT8 keeps to a model's file."""
    write(name, {**kept(name), "retention": retention})


def write(name: str, data: dict[str, Any]) -> None:
    """Writes a file, a row a line: whole, then into its place. Raises ``CardError`` for what could not be read."""
    path = file_of(name)
    check(MEASURED, data, path.name)
    write_file(path, "".join((HEAD, *lines(data))).encode())


def lines(data: dict[str, Any]) -> Iterator[str]:
    """The lines of a file, SoCs in the package's order."""
    yield f"toolkit: {flow(data['toolkit'])}\nrecipe: {data['recipe']}\n"
    if "retention" in data:
        yield f"retention: {flow(data['retention'])}\n"
    yield "builds:\n" if data["builds"] else "builds: {}\n"
    for soc in (soc for soc in SOCS if soc in data["builds"]):
        yield f"  {soc}:\n"
        yield from (f"    {layout}: {flow(row)}\n" for layout, row in sorted(data["builds"][soc].items()))


def flow(value: Any) -> str:
    """A value on one line."""
    text: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")
