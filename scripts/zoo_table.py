#!/usr/bin/env python3
"""Builds what is missing of the zoo's table, `models/measured/*.yaml`, and writes its page, docs/zoo.md.

    python scripts/zoo_table.py                     all that is missing, the most asked for first
    python scripts/zoo_table.py yolov8n yolo11n     these models only
    python scripts/zoo_table.py --no-build          the page alone, from the rows there are

Built as `e2erknn convert` builds, but from untrained weights and two drawn pictures and without verifying: neither
matters to what the compiler says. Each row is kept as soon as it is there; the same command goes on where it was
stopped. Rows of another toolkit or recipe (`RECIPE` of `rknn_zoo_e2e/conversion/fingerprint.py`) are built again; to
build one again for any other reason, delete its line. tests/test_zoo_table.py fails where the page is not what this
makes of the rows.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from placing import builds, placement_of, untrained
from zoo_page import PAGE, page
from zoo_rows import Wanted, keep_row, missing, wanted, zoo

from rknn_zoo_e2e.boards.soc import Soc
from rknn_zoo_e2e.cli.ui.failures import reporting_errors
from rknn_zoo_e2e.cli.ui.options import Debug, Quiet
from rknn_zoo_e2e.cli.ui.output import Output
from rknn_zoo_e2e.conversion.build import Build
from rknn_zoo_e2e.conversion.options import Options
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.zoo import resolve


class Rows:
    """Keeps the rows of one model, each with the seconds since the one before it: the first has the export's too."""

    def __init__(self, wanted: Wanted, output: Output) -> None:
        self.wanted, self.output, self.begun = wanted, output, time.monotonic()

    def keep(self, soc: Soc, figures: dict[str, Any]) -> None:
        now, name, layout = time.monotonic(), self.wanted.card.name, self.wanted.layout_of(soc)
        row = {**figures, "seconds": round(now - self.begun, 1)}
        keep_row(name, soc.name, layout, row)
        self.begun = now
        self.output.note(f"{name} {soc.name} {layout}: {row}")


def figures_of(build: Build) -> dict[str, Any]:
    """What is kept of a build: figures, or the toolkit's reason why there are none."""
    try:
        found = placement_of(build)
    except UserError as error:
        return {"error": error.what}
    cpu = [{"op": op["op"], "shape": op["shape"]} for op in found["cpu"]]
    return {"cycles": found["cycles"], "traffic_kb": found["traffic_kb"], "cpu": cpu}


def build_missing(one: Wanted, output: Output) -> None:
    """Builds the rows of one model that are not there yet."""
    one = missing(one)
    if not one.socs:
        return
    rows, done = Rows(one, output), set()
    with tempfile.TemporaryDirectory(prefix="e2erknn-") as folder:
        source = resolve(str(untrained(one.card.name, Path(folder), one.card.classes)))
        side = one.card.imgsz
        options = Options(one.socs, imgsz=(side, side), layout=one.layout, verify=False)
        try:
            with builds(source, options) as of_model:
                for soc, build in zip(one.socs, of_model, strict=True):
                    rows.keep(soc, figures_of(build))
                    done.add(soc)
        except UserError as error:  # it could not be exported: the same on every SoC
            for soc in one.socs:
                if soc not in done:
                    rows.keep(soc, {"error": error.what})


def main(
    models: Annotated[list[str] | None, typer.Argument(metavar="[MODEL]...", help="Zoo names. Default: all.")] = None,
    build: Annotated[bool, typer.Option("--build/--no-build", help="Build what is missing.")] = True,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """The table of the zoo."""
    with reporting_errors(Output(False, quiet, debug)) as output:
        if unknown := {*(models or ())} - {card.name for card in zoo()}:
            raise UsageError(f"{unknown.pop()!r} is not in the table.", "Give names that `e2erknn list` shows.")
        for one in wanted() if build else ():
            if not models or one.card.name in models:
                build_missing(one, output)
        PAGE.write_text(page(), "utf-8")
        output.note(f"Written: {PAGE}")


if __name__ == "__main__":
    typer.run(main)
