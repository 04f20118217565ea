"""What the pretended runtime (cpp/tests/standin.c) answers: attributes and tensors from the vendor's simulator.

python tests/cpp/recording.py BUNDLE FOLDER PICTURE...    records a bundle's answers to some pictures
"""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from native import blocked, stored

from rknn_zoo_e2e.conversion.custom_string import custom_string
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.vision.image import read_image
from rknn_zoo_e2e.vision.letterbox import Letterbox
from rknn_zoo_e2e.vision.tensors import Quantized, Raw

ATTRIBUTE = struct.Struct("<II16I256sIIiiib3xifIIB3xI")
NCHW, NHWC, NC1HWC2, UNDEFINED = range(4)
TYPES = {"float32": 0, "float16": 1, "int8": 2, "uint8": 3, "int16": 4}  # the vendor's


@dataclass(frozen=True)
class Layout:
    """How an NPU keeps its outputs: the type, the channels of a block (1: planar), and the layout of the model."""

    kind: str
    block: int = 1
    flat: bool = False
    soc: str = "rk3588"


LAYOUTS = {  # as NPUs were seen to have them
    "fp32 flat": Layout("float32", flat=True),
    "fp16 flat": Layout("float16", flat=True),
    "fp16 grid, planar": Layout("float16"),
    "fp16 grid, blocks of 4": Layout("float16", 4),
    "fp16 grid, blocks of 8": Layout("float16", 8),
    "int16 grid, blocks of 8": Layout("int16", 8, soc="rv1106"),
    "int8 grid, blocks of 16": Layout("int8", 16, soc="rv1106b"),
}
EVERY_LAYOUT = LAYOUTS | {
    "fp32 grid, planar": Layout("float32"),
    "fp32 grid, blocks of 8": Layout("float32", 8),
    "int16 flat": Layout("int16", flat=True),
    "int16 grid, planar": Layout("int16"),
}


@dataclass(frozen=True)
class Simulated:
    """What the simulator gave for some pictures: float32 outputs of each."""

    spec: ModelSpec
    model: Path
    pictures: tuple[Path, ...]
    outputs: tuple[list[np.ndarray], ...]

    def held(self, layout: Layout) -> list[list[Raw]]:
        """The outputs as a runtime of that layout would hand them over: one quantisation for all pictures."""
        scales = [max(float(np.abs(o).max()) for o in outputs) for outputs in zip(*self.outputs, strict=True)]
        most = np.iinfo(layout.kind).max if "int" in layout.kind else 1
        return [
            [stored(shaped(o, layout), layout.kind, scale / most, -3) for o, scale in zip(picture, scales, strict=True)]
            for picture in self.outputs
        ]


def shaped(output: np.ndarray, layout: Layout) -> np.ndarray:
    """A detection output as flat (1, C, A) or grid (1, C, H, W); prototypes are a grid anyway."""
    if output.ndim == 4 and not (layout.flat and output.shape[3] * output.shape[2] % 21 == 0):
        return output
    cells = int(np.prod(output.shape[2:]))
    return (
        output.reshape(*output.shape[:2], cells) if layout.flat else output.reshape(*output.shape[:2], 21, cells // 21)
    )


def attribute(index: int, name: str, dims: tuple[int, ...], fmt: int, kind: str, scale=1.0, zero=0, stride=0) -> bytes:
    count = int(np.prod(dims))
    size = count * np.dtype(kind).itemsize
    padded = [*dims, *[0] * (16 - len(dims))]
    return ATTRIBUTE.pack(
        index, len(dims), *padded, name.encode(), count, size, fmt, TYPES[kind], 2, 0, zero, scale, stride, size, 0, 0
    )


def record(folder: Path, simulated: Simulated, layout: Layout) -> Path:
    """Writes the files; returns the folder, for E2ERKNN_STANDIN."""
    folder.mkdir(exist_ok=True)
    spec, (height, width) = simulated.spec, simulated.spec.imgsz
    said, _ = custom_string(spec, layout.soc, "flat" if layout.flat else "grid")
    (folder / "custom.json").write_text(said)
    image = attribute(0, "images", (1, height, width, 3), NHWC, "int8", stride=width)
    attributes, held = [image, image], simulated.held(layout)
    for index, output in enumerate(held[0]):
        values = output.values if isinstance(output, Quantized) else output
        scale, zero = (output.scale, output.zero_point) if isinstance(output, Quantized) else (1.0, 0)
        told = (index, f"output{index}"), (str(values.dtype), scale, zero)
        plain = attribute(*told[0], values.shape, UNDEFINED if values.ndim == 3 else NCHW, *told[1])
        shape = values.shape
        if layout.block > 1:
            shape = (1, -(-shape[1] // layout.block), *shape[2:], layout.block)
        native = NC1HWC2 if layout.block > 1 else UNDEFINED if values.ndim == 3 else NCHW
        attributes += [plain, attribute(*told[0], shape, native, *told[1])]
    (folder / "attributes.bin").write_bytes(b"".join(attributes))
    for number, (path, outputs) in enumerate(zip(simulated.pictures, held, strict=True)):
        rgb = read_image(path)
        (folder / f"input-{number}.bin").write_bytes(Letterbox.of(rgb, spec.imgsz).apply(rgb).tobytes())
        for index, output in enumerate(outputs):
            values = output.values if isinstance(output, Quantized) else output
            content = blocked(values, layout.block) if layout.block > 1 else values
            (folder / f"output-{number}-{index}.bin").write_bytes(content.tobytes())
    return folder


def some(simulated: Simulated, count: int) -> Simulated:
    """Of the first pictures only."""
    return replace(simulated, pictures=simulated.pictures[:count], outputs=simulated.outputs[:count])


def main(bundle: Path, folder: Path, *pictures: Path) -> None:
    """In float32, so that nothing is rounded, and in the blocks an NPU would keep it in."""
    from rknn_zoo_e2e import load

    with load(bundle, backend="simulator") as predictor:
        images = [read_image(path) for path in pictures]
        inputs = [Letterbox.of(image, predictor.spec.imgsz).apply(image) for image in images]
        outputs = tuple(predictor.infer(rgb) for rgb in inputs)
        record(folder, Simulated(predictor.spec, bundle, pictures, outputs), Layout("float32", 4))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
