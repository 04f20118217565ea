"""The application and its commands' registration; each command lives in a file of its own."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from rknn_zoo_e2e import __version__
from rknn_zoo_e2e.cli import bench, convert, demo, doctor, eval, fetch, inspect, publish, pull, zoo
from rknn_zoo_e2e.cli.output import reporting_errors


class Commands(TyperGroup):
    """Runs a command with our own words for its errors and for Ctrl-C."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        with reporting_errors():
            return super().invoke(ctx)


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


app.command("list")(zoo.list_models)
app.command("info")(zoo.info)
app.command("fetch")(fetch.fetch)
app.command("convert")(convert.convert)
app.command("inspect")(inspect.inspect)
app.command("demo")(demo.demo)
app.command("bench")(bench.bench)
app.command("eval")(eval.evaluate)
app.command("publish")(publish.publish)
app.command("pull")(pull.pull)
app.command("doctor")(doctor.doctor)
