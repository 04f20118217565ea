"""The drawn picture of a model card."""

from __future__ import annotations

import io
import re
from pathlib import Path

from PIL import Image

from rknn_zoo_e2e.bundle.model import Bundle
from rknn_zoo_e2e.progress import Progress
from rknn_zoo_e2e.runtime.loading import load
from rknn_zoo_e2e.runtime.registry import BACKENDS
from rknn_zoo_e2e.tasks.registry import TASKS
from rknn_zoo_e2e.vision.image import read_image
from rknn_zoo_e2e.zoo import MODELS, identity_of_bundle

MAX_SIDE = 960  # px, the longest of the drawn picture
PREFIX = "sample-"
RUN_BY = "|".join(re.escape(name) for name, backend in BACKENDS.items() if backend.bundles)
OURS = re.compile(rf"{PREFIX}[a-z0-9]+-[a-z0-9]+-({RUN_BY})\.jpg")  # of a repo's files


def default_picture(bundle: Bundle) -> Path | None:
    """A picture with something for the model in it; None where there is none at hand, as for a model of one's own."""
    card = identity_of_bundle(bundle).card
    if card and card.shipped:
        return MODELS / TASKS[card.task].starter_picture
    if card and (name := TASKS[card.task].photograph):
        try:
            from ultralytics.utils import ASSETS  # AGPL-3.0 as the rest
        except ImportError:
            return None
        return ASSETS / name if (ASSETS / name).is_file() else None
    return None


def draw_sample(bundle: Bundle, picture: Path, on_stage: Progress) -> tuple[str, bytes]:
    """The picture with what the bundle's first artifact finds drawn in: its name in the repo, and JPEG.

    Raises:
        UserError: the picture is none, or the bundle cannot run here.
    """
    artifact = bundle.artifacts[0]
    image = read_image(picture)
    with load(bundle.path, soc=artifact.soc, precision=artifact.precision, on_stage=on_stage) as predictor:
        drawn = Image.fromarray(predictor(image).draw(image))
        name = f"{PREFIX}{artifact.soc}-{artifact.precision}-{predictor.backend}.jpg"
    drawn.thumbnail((MAX_SIDE, MAX_SIDE))
    content = io.BytesIO()
    drawn.save(content, "JPEG", quality=90)  # without EXIF: where a picture was taken is nobody's business
    return name, content.getvalue()
