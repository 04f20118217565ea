"""Small good inputs for the fuzz targets to begin with: python seeds.py FOLDER"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from native import essentials
from PIL import Image

from rknn_zoo_e2e.files.yaml_data import write_yaml
from rknn_zoo_e2e.tasks.spec import ModelSpec


def main(folder: Path) -> None:
    for target in ("decode", "spec", "picture"):
        (folder / target).mkdir(parents=True, exist_ok=True)
    # Each task and type (cpp/fuzz/decode.cpp: task, two sides, classes, nms_free, masks, points, type, block and more),
    # and as every value 0.5, which is an object in the middle.
    for task, sizes in enumerate(([3, 3, 1, 0, 2], [3, 3, 0, 0, 2, 1, 1], [3, 3, 1, 0, 2], [3, 3, 1, 0, 2])):
        for kind, half in enumerate(("0000003f", "0038", "35", "35", "3500")):
            header = bytes([task, *sizes, kind, 7, 50, 40, 3, 9])
            (folder / "decode" / f"{task}-{kind}").write_bytes(header + bytes.fromhex(half))
    spec = ModelSpec("any", "pose", ("figure", "tree"), (320, 320), kpt_shape=(2, 3), skeleton=((0, 1),))
    (folder / "spec" / "custom").write_text(essentials(spec))
    artifacts = [{"soc": "rk3588", "file": "m.rknn", "sha256": "0" * 64}]
    (folder / "spec" / "metadata").write_text(write_yaml({**spec.to_metadata(), "artifacts": artifacts}))
    rgb = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 13, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    rgb.save(folder / "picture" / "rgb.jpg", exif=exif)
    rgb.save(folder / "picture" / "rgb.png", exif=exif)
    rgb.quantize(8).save(folder / "picture" / "palette.png")
    rgb.convert("CMYK").save(folder / "picture" / "inks.jpg")
    rgb.convert("L").save(folder / "picture" / "grey.jpg", progressive=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
