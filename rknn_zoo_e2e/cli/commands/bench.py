"""``e2erknn bench``, as it is typed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rknn_zoo_e2e.cli.ui.failures import reporting_errors
from rknn_zoo_e2e.cli.ui.options import PATH, Backend, Cores, Debug, Json, Precision, Quiet, SocOf, Trust
from rknn_zoo_e2e.cli.ui.output import Output


def bench(
    model: Annotated[
        str | None, typer.Argument(metavar="[BUNDLE]", help="Default: the newest bundle here, else yolov8n.")
    ] = None,
    images: Annotated[
        list[str] | None, typer.Option("--images", "-i", help="Pictures or folders. Default: one that comes with this.")
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="How many to measure; each picture takes an equal share.")] = 200,
    warmup: Annotated[int, typer.Option(min=0, help="Pictures before that, not measured.")] = 10,
    conf: Annotated[float, typer.Option(min=0, max=1, help="Least score.")] = 0.25,
    backend: Backend = "auto",
    soc: SocOf = None,
    precision: Precision = None,
    cores: Cores = "auto",
    save: Annotated[
        Path | None,
        typer.Option(help="On a board: write what was measured, and on what, for others to see (JSON).", **PATH),
    ] = None,
    trust: Trust = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure the time of each stage: read, letterbox, infer, post, draw; on a board each NPU core and all together.

    What --save writes on a board can be published with the bundle: e2erknn publish BUNDLE --measured FILE.

    Example: e2erknn bench yolov8n_rknn_model --images pictures/ --runs 500
    """
    with reporting_errors(Output(json, quiet, debug), locals()) as output:
        from rknn_zoo_e2e.cli.bench import measure_stages

        measure_stages(
            output,
            model=model,
            images=images,
            runs=runs,
            warmup=warmup,
            conf=conf,
            backend=backend,
            soc=soc,
            precision=precision,
            cores=cores,
            trust=trust,
            save=save,
        )
