"""The application and its commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from rknn_zoo_e2e import __version__
from rknn_zoo_e2e.cli.commands import (
    analyze,
    bench,
    convert,
    demo,
    doctor,
    eval,
    fetch,
    info,
    inspect,
    list,
    publish,
    pull,
    report,
)
from rknn_zoo_e2e.cli.ui.failures import Commands

app = typer.Typer(
    name="e2erknn",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Ultralytics YOLO checkpoints to end-to-end INT8 RKNN models for Rockchip NPUs.\n\n"
    "Start with: e2erknn convert shapes --soc rk3566, then: e2erknn demo IMAGE",
)


def _version(value: bool) -> None:
    if value:
        print(f"e2erknn {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


COMMANDS: dict[str, Callable[..., None]] = {
    "list": list.list_models,
    "info": info.info,
    "fetch": fetch.fetch,
    "convert": convert.convert,
    "inspect": inspect.inspect,
    "analyze": analyze.analyze,
    "demo": demo.demo,
    "bench": bench.bench,
    "eval": eval.evaluate,
    "report": report.report,
    "publish": publish.publish,
    "pull": pull.pull,
    "doctor": doctor.doctor,
}
for name, command in COMMANDS.items():
    app.command(name)(command)
