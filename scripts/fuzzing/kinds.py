"""Kinds of bad input. Each makes an attempt in a folder from a generator of random numbers and some good material."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import yaml

from fuzzing.harness import Attempt
from fuzzing.mutations import VALUES, WORDS, altered, scrambled
from fuzzing.pickles import hostile_pickle, repacked
from rknn_zoo_e2e.bundle import METADATA, ONNX, read_bundle
from rknn_zoo_e2e.weights import sha256

PICTURES = 8  # bad ones a folder
TENSORS = 50  # bad ones an attempt
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I", "I;16", "F")
FORMATS = ("png", "jpeg", "gif", "webp", "tiff", "bmp")


@dataclass(frozen=True)
class Material:
    """What is good before it is made bad.

    Attributes:
        folder: with bundles of starter models, ``picture.jpg`` and ``video.mp4``.
        weights: of the starter models.
    """

    folder: Path
    weights: Path

    @cached_property
    def bundles(self) -> list[Path]:
        return sorted(self.folder.glob("*_rknn_model"))

    @cached_property
    def checkpoints(self) -> list[Path]:
        return sorted(self.weights.glob("*.pt"))

    @cached_property
    def scene(self) -> np.ndarray:
        from rknn_zoo_e2e.shapes import draw_scene

        return draw_scene(7, (160, 200))[0]


Make = Callable[[Random, Material, Path], Attempt]


def checkpoints(rng: Random, material: Material, folder: Path) -> Attempt:
    """Damaged files, damaged pickles in whole archives, pickles that run code."""
    path = folder / rng.choice(("bad.pt", "best.pt", "ü x.pt"))
    data = rng.choice(material.checkpoints).read_bytes()
    kind = rng.randrange(4)
    if kind == 0:
        path.write_bytes(scrambled(rng, data))
    elif kind == 1:
        path.write_bytes(repacked(data, lambda pickled: scrambled(rng, pickled)))
    elif kind == 2:
        path.write_bytes(repacked(data, lambda _: hostile_pickle(rng, str(folder.parent / "touched"))))
    else:
        path.write_bytes(hostile_pickle(rng, str(folder.parent / "touched")))
    calib = ["--soc", "rk3566", "--calib", str(folder.parent / "nowhere")]
    return Attempt([*rng.choice((["info", str(path)], ["info", str(path), "--json"], ["convert", str(path), *calib]))])


def bundles(rng: Random, material: Material, folder: Path) -> Attempt:
    """One file of a bundle damaged, gone, or something else; sometimes with a checksum that fits."""
    source = rng.choice(material.bundles)
    target = folder / source.name
    shutil.copytree(source, target)
    bundle = read_bundle(target)
    path = target / rng.choice([METADATA, METADATA, *bundle.files])
    kind = rng.randrange(8)
    if kind < 4:
        path.write_bytes(scrambled(rng, path.read_bytes()))
    else:
        path.unlink()
    if kind in (2, 3) and path.name != METADATA:  # whoever makes a bad bundle makes its checksums too
        bundle.onnx_sha256 = sha256(target / ONNX)
        for artifact in bundle.artifacts:
            artifact.sha256 = sha256(target / artifact.file)
        (target / METADATA).write_text(bundle.metadata_text(), "utf-8")
    if kind == 5:
        os.mkfifo(path)
    elif kind == 6:
        path.symlink_to(rng.choice(("/etc/passwd", "/dev/zero", "../..", path.name, source / path.name)))
    elif kind == 7:
        path.mkdir()
    return Attempt(_commands(rng, target, material))


def metadata(rng: Random, material: Material, folder: Path) -> Attempt:
    """A bundle's facts made absurd, everything else as it should be."""
    source = rng.choice(material.bundles)
    target = folder / source.name
    target.mkdir()
    for path in source.iterdir():
        os.link(path, target / path.name)
    text = (target / METADATA).read_text("utf-8")
    (target / METADATA).unlink()
    kind = rng.randrange(8)
    if kind == 0:
        text = scrambled(rng, text.encode()).decode("utf-8", "replace")
    elif kind == 1:
        tag = rng.choice(
            ("!!python/object/apply:os.system ['touch touched']", "!!python/name:os.system", "&a [*a, *a]")
        )
        text = rng.choice((f"{text}\nextra: {tag}\n", text.replace("task: ", f"task: {tag} ", 1)))
    elif kind == 2:
        rows = "\n".join(f"b{i}: &b{i} [{', '.join([f'*b{i - 1}'] * 9)}]" for i in range(1, 30))
        text = f"b0: &b0 [lol, lol]\n{rows}\n{text}"
    elif kind == 3:
        text += f"\nextra: {'[' * rng.choice((50, 900, 20_000))}"
    else:
        document = yaml.safe_load(text)
        key = rng.choice(list(document))
        if rng.random() < 0.5:
            document[key] = rng.choice(VALUES) if rng.random() < 0.3 else altered(rng, document[key])
        else:
            document = altered(rng, document)
        text = yaml.safe_dump(document, allow_unicode=rng.random() < 0.5)
    (target / METADATA).write_text(text, "utf-8", "surrogateescape" if text.isascii() else "replace")
    return Attempt(_commands(rng, target, material))


def _commands(rng: Random, bundle: Path, material: Material) -> list[str]:
    picture = str(material.folder / "picture.jpg")
    return rng.choice(
        (
            ["inspect", str(bundle)],
            ["inspect", str(bundle), "--json"],
            ["info", str(bundle)],
            ["demo", picture, "-m", str(bundle), "--backend", "onnx", "--json"],
            ["publish", str(bundle), "--repo", "me/x", "--dry-run"],
        )
    )


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


def _picture(rng: Random, scene: np.ndarray) -> bytes:
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


def lists(rng: Random, material: Material, folder: Path) -> Attempt:
    """Calibration lists and data sets that name no picture."""
    path = folder / rng.choice(("list.txt", "data.yaml", "data.yml", "calib"))
    document = {"path": str(folder), "train": "train", "val": ["val", "more.txt"], "names": {0: "a"}}
    text = "\n".join([*rng.choices(WORDS, k=5), "x.jpg"])
    if "y" in path.suffix:
        text = yaml.safe_dump(altered(rng, document))
    data = text.encode("utf-8", "replace")
    path.write_bytes(scrambled(rng, data) if rng.random() < 0.3 else data)
    model = str(rng.choice(material.bundles))
    if path.suffix == ".yaml" and rng.random() < 0.5:
        return Attempt(["eval", model, "--data", str(path), "--backend", "onnx"])
    return Attempt(["convert", "shapes", "--soc", "rk3566", "--calib", str(path)])


def command_lines(rng: Random, material: Material, folder: Path) -> Attempt:
    """Words that mean nothing, for every command and option."""
    from typer.main import get_command

    from rknn_zoo_e2e.cli.app import app

    commands = get_command(app).commands  # type: ignore[attr-defined]
    name = rng.choice(sorted(commands))
    options = [option for p in commands[name].params for option in p.opts if option.startswith("-")]
    options = [
        option for option in options if option not in ("--help", "--show", "--debug")
    ]  # they open or print what is asked for
    words: list[str] = []
    for _ in range(rng.randint(1, 5)):
        word = str(rng.choice(VALUES))
        words += [word] if rng.random() < 0.4 else [rng.choice(options), word]
    # A word that cannot be meant is always among them, so that no real work begins.
    words.insert(rng.randrange(len(words) + 1), rng.choice(("--no-such-option", "no/such/thing", "hf:a/b/c")))
    return Attempt([name, *(word.replace("\0", "") for word in words)])


def tensors(rng: Random, material: Material, folder: Path) -> Attempt:
    """Outputs no model should give, decoded and drawn."""
    spec = read_bundle(rng.choice(material.bundles)).spec
    seed = rng.getrandbits(32)
    return Attempt(lambda: decode_all(spec, seed, material.scene), TENSORS)


class Given:
    """A runtime that is not there: its outputs are given."""

    backend = "simulator"

    def infer(self, rgb: np.ndarray) -> list[np.ndarray]:
        raise NotImplementedError

    def close(self) -> None:
        pass


def decode_all(spec: Any, seed: int, image: np.ndarray) -> None:
    """Raises AssertionError where detections are not in the picture, or a value that is no number went unnoticed."""
    from rknn_zoo_e2e.errors import UserError
    from rknn_zoo_e2e.predictor import Predictor
    from rknn_zoo_e2e.tasks import task_of
    from rknn_zoo_e2e.tasks.base import Thresholds
    from rknn_zoo_e2e.vision.letterbox import Letterbox

    rng, numbers = Random(seed), np.random.default_rng(seed)
    predictor = Predictor(
        spec, [Given()], Thresholds(rng.choice((0.0, 0.001, 0.25, 1.0)), rng.random(), rng.choice((1, 300)))
    )
    anchors = sum((spec.imgsz[0] // s) * (spec.imgsz[1] // s) for s in (8, 16, 32))
    for _ in range(TENSORS):
        shapes = [[1, output.count, anchors] for output in task_of(spec).outputs]
        shapes[1:] = [[1, s[1], spec.imgsz[0] // 4, spec.imgsz[1] // 4] for s in shapes[1:]]
        wanted, outputs = [list(shape) for shape in shapes], []
        for shape in shapes:
            if rng.random() < 0.2:
                shape[rng.randrange(len(shape))] = rng.choice((0, 1, 2, 99))
            output = numbers.normal(0.2, 0.4, shape).astype(rng.choice((np.float32, np.float32, np.float16)))
            if output.size and rng.random() < 0.7:
                places = numbers.integers(0, output.size, rng.choice((1, 10, 1000)))
                with np.errstate(over="ignore"):
                    output.flat[places] = rng.choice((np.nan, np.inf, -np.inf, 1e30, -1e30, 6e4, 0, -1))
            outputs.append(output)
        if rng.random() < 0.1:
            outputs = outputs[:-1] if rng.random() < 0.5 else [*outputs, outputs[0]]
        try:
            result = predictor.decode(outputs, Letterbox.of(image, spec.imgsz))
        except UserError:
            continue
        values = [v for v in (result.boxes, result.scores, result.keypoints, result.obb) if v is not None]
        assert [list(output.shape) for output in outputs] == wanted, "outputs of another shape went through"
        assert all(np.isfinite(v).all() for v in values), "a value that is no number went through"
        scores = outputs[0].reshape(-1, anchors)[4 : 4 + len(spec.names)]
        assert not np.isnan(scores).any(), "a score was NaN, unnoticed"
        height, width = image.shape[:2]
        limits = np.array([width, height, width, height])
        assert (result.boxes >= 0).all() and (result.boxes <= limits).all(), "a box lies outside the picture"
        result.draw(image)
        result.to_dict()


# Every kind, and its part of all inputs.
KINDS: dict[str, tuple[Make, float]] = {
    "checkpoints": (checkpoints, 0.12),
    "bundles": (bundles, 0.12),
    "metadata": (metadata, 0.16),
    "pictures": (pictures, 0.24),
    "videos": (videos, 0.02),
    "tensors": (tensors, 0.2),
    "lists": (lists, 0.04),
    "command lines": (command_lines, 0.1),
}
