"""``e2erknn convert``, as it is typed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rknn_zoo_e2e.cli.ui.failures import reporting_errors
from rknn_zoo_e2e.cli.ui.options import PATH, Debug, Json, Quiet, Trust
from rknn_zoo_e2e.cli.ui.output import Output
from rknn_zoo_e2e.isolation.parent import TIME_LIMIT


def convert(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="Zoo names, patterns like 'yolov8n*', or .pt files.")
    ],
    soc: Annotated[list[str], typer.Option("--soc", help="Rockchip SoC; several with commas, or repeat it.")],
    precision: Annotated[str, typer.Option(help="int8 or fp16.")] = "int8",
    imgsz: Annotated[str | None, typer.Option(help="Input side, or height,width, in px. Default: as trained.")] = None,
    calib: Annotated[
        Path | None, typer.Option(help="Calibration pictures: a folder, a data.yaml or a list.txt.", **PATH)
    ] = None,
    calib_images: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="How many of them to use. Default: 40, or all if fewer.")
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            help="flat: (1, C, A), Ultralytics' order. grid: (1, C, H, W), no op on the CPU. "
            "Default: grid on rv*, flat elsewhere."
        ),
    ] = None,
    contract: Annotated[
        str,
        typer.Option(
            "--for",
            metavar="READER",
            help="Whose program reads the outputs: ultralytics (and this one), frigate, or model-zoo (rknn_model_zoo).",
        ),
    ] = "ultralytics",
    jobs: Annotated[int, typer.Option("--jobs", "-j", metavar="N", min=1, help="Builds side by side.")] = 1,
    executor: Annotated[
        str | None, typer.Option(metavar="URL", help="Build on a Dask cluster, dask://host:port, instead of here.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder the bundles go into.", **PATH)] = Path("."),
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Do not compare the builds with fp32.")] = False,
    time_limit: Annotated[
        int, typer.Option(metavar="SECONDS", min=1, help="How long a stage may go without progress.")
    ] = TIME_LIMIT,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a bundle made from something else.")] = False,
    data: Annotated[
        Path | None, typer.Option(help="data.yaml of labelled pictures, to measure the loss on: --max-drop.", **PATH)
    ] = None,
    max_drop: Annotated[
        float | None,
        typer.Option(
            metavar="POINTS",
            min=0,
            help="How much mAP50-95 x 100 INT8 may lose: parts leave INT8 until it loses no more. Needs --data.",
        ),
    ] = None,
    trust: Trust = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Build verified RKNN bundles from YOLO checkpoints. After an interruption the same command goes on.

    Example: e2erknn convert yolov8n-pose --soc rk3566 --soc rk3588 --calib pictures/ --jobs 2
    """
    with reporting_errors(Output(json, quiet, debug), locals()) as output:
        from rknn_zoo_e2e.cli.convert import convert_models

        convert_models(
            output,
            models=models,
            soc=soc,
            precision=precision,
            imgsz=imgsz,
            calib=calib,
            calib_images=calib_images,
            layout=layout,
            contract=contract,
            jobs=jobs,
            executor=executor,
            out=out,
            no_verify=no_verify,
            time_limit=time_limit,
            overwrite=overwrite,
            trust=trust,
            data=data,
            max_drop=max_drop,
        )
