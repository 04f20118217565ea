"""``e2erknn demo``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rknn_zoo_e2e.cli.convert import parse_imgsz
from rknn_zoo_e2e.cli.output import Debug, Json, Quiet, emit, note

if TYPE_CHECKING:
    from rknn_zoo_e2e.predictor import Predictor


def demo(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE...", help="Pictures, folders or glob patterns.")],
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Bundle, zoo name or .pt. Default: newest bundle here, else yolov8n."),
    ] = None,
    backend: Annotated[str, typer.Option(help="auto, simulator, onnx or torch.")] = "auto",
    soc: Annotated[str | None, typer.Option(help="Which SoC's artifact of a bundle. Default: its first.")] = None,
    precision: Annotated[str | None, typer.Option(help="Which precision of a bundle. Default: its first.")] = None,
    conf: Annotated[float, typer.Option(min=0, max=1, help="Least score.")] = 0.25,
    iou: Annotated[float, typer.Option(min=0, max=1, help="Overlap above which the weaker box goes.")] = 0.7,
    max_det: Annotated[int, typer.Option(min=1, help="Most detections a picture.")] = 300,
    classes: Annotated[list[int] | None, typer.Option(help="Only these class ids; repeat for several.")] = None,
    imgsz: Annotated[str | None, typer.Option(help="Input size for --backend torch. Default: as trained.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the drawn pictures.")] = Path("e2erknn-demo"),
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Run a model on pictures and draw what it finds.

    Example: e2erknn demo bus.jpg --model yolov8n_rknn_model
    """
    from rknn_zoo_e2e.cli.pictures import find_pictures
    from rknn_zoo_e2e.cli.progress import StageProgress
    from rknn_zoo_e2e.errors import UserError
    from rknn_zoo_e2e.predictor import load
    from rknn_zoo_e2e.tasks.base import Thresholds

    paths = find_pictures(sources)
    thresholds = Thresholds(conf, iou, max_det, tuple(classes) if classes else None)
    with StageProgress() as progress:
        loading = model or "model"

        def follow(stage: str, share: float) -> None:
            progress.stage(loading, stage, share)

        with load(model, backend, soc, precision, parse_imgsz(imgsz), thresholds, follow) as predictor:
            progress.done(loading, 0)
            images: list[dict[str, Any]] = []
            failed: list[UserError] = []
            for index, path in enumerate(paths):
                progress.stage("pictures", predictor.runtime.backend, index / len(paths))
                try:
                    images.append(predict(predictor, path, out, {i["drawn"] for i in images}))
                except UserError as error:
                    if len(paths) == 1:
                        raise
                    failed.append(error)
                    note(f"Skipped: {error}")
            progress.done("pictures", 0)
            document = {"model": predictor.spec.name, "backend": predictor.runtime.backend, "images": images}
    emit(document, *(line(image) for image in images))
    if failed:
        raise UserError(f"{len(failed)} of {len(paths)} pictures could not be used.", f"First: {failed[0].what}")


def predict(predictor: Predictor, path: Path, out: Path, taken: set[str]) -> dict[str, Any]:
    """One picture: run, draw, save; its entry in the JSON."""
    from rknn_zoo_e2e.bundle import write_error
    from rknn_zoo_e2e.vision.image import read_image, save_image

    image = read_image(path)
    result = predictor(image)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(out, error) from error
    target, count = out / f"{path.stem}.jpg", 1
    while str(target) in taken:  # pictures of one name from several folders
        count += 1
        target = out / f"{path.stem}-{count}.jpg"
    save_image(target, result.draw(image))
    height, width = result.shape
    return {"path": str(path), "drawn": str(target), "width": width, "height": height, **result.to_dict()}


def line(image: dict[str, Any]) -> str:
    """What was found in one picture, for people."""
    counts = Counter(d["label"] for d in image["detections"])
    found = ", ".join(f"{n} {label}" for label, n in counts.most_common()) or "nothing"
    return f"{image['path']}: {found} ({sum(image['ms'].values()):.0f} ms) -> {image['drawn']}"
