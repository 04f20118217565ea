"""Bad pictures and videos."""

from __future__ import annotations

import io
from pathlib import Path
from random import Random
from typing import Any

from fuzzing.harness import Attempt
from fuzzing.material import Material
from fuzzing.mutations import scrambled
from rknn_zoo_e2e.vision.arrays import Pixels

PICTURES = 8  # bad ones a folder
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I", "I;16", "F")
FORMATS = ("png", "jpeg", "gif", "webp", "tiff", "bmp")


def pictures(rng: Random, material: Material, folder: Path) -> Attempt:
    """A folder of damaged and strange pictures."""
    for number in range(PICTURES):
        data = _picture(rng, material.scene)
        if rng.random() < 0.8:
            data = scrambled(rng, data, 3)
        name = f"{number}{rng.choice(('', ' ü', chr(10), chr(27) + '[2J', '%s', '[x]'))}.{rng.choice(FORMATS)}"
        (folder / name).write_bytes(data)
    model = str(rng.choice(material.bundles))
    return Attempt(["demo", str(folder), "-m", model, "--backend", "onnx", *rng.choice(([], ["--json"]))], PICTURES)


def _picture(rng: Random, scene: Pixels) -> bytes:
    """A picture file of any size, mode and format."""
    from PIL import Image

    size = rng.choice(((200, 160), (1, 1), (1, 3000), (3000, 1), (7, 5), (640, 480)))
    image = Image.fromarray(scene).resize(size).convert("RGB")
    mode, kind = rng.choice(MODES), rng.choice(FORMATS)
    exif = Image.Exif()
    exif[0x0112] = rng.randrange(12)  # orientation; 1 to 8 mean something
    more: dict[str, Any] = {"exif": exif} if kind in ("jpeg", "png", "webp", "tiff") else {}
    if kind in ("gif", "webp", "png", "tiff") and rng.random() < 0.3:
        more |= {"save_all": True, "append_images": [image.rotate(90)] * 2}
    buffer = io.BytesIO()
    try:
        image.convert("L").convert(mode).save(buffer, kind, **more)
    except (OSError, ValueError, KeyError, SystemError):  # not every format has every mode
        buffer = io.BytesIO()
        image.save(buffer, kind)
    return buffer.getvalue()


def videos(rng: Random, material: Material, folder: Path) -> Attempt:
    """A damaged video."""
    path = folder / f"video.{rng.choice(('mp4', 'mp4', 'avi', 'mkv', 'ts'))}"
    path.write_bytes(scrambled(rng, (material.folder / "video.mp4").read_bytes()))
    return Attempt(["demo", str(path), "-m", str(material.bundles[0]), "--backend", "onnx"])
