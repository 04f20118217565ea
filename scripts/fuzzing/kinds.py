"""Kinds of bad input. Each makes an attempt in a folder from a generator of random numbers and some good material."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import yaml

from fuzzing.addresses import addresses, odd_names
from fuzzing.foreign import foreign
from fuzzing.harness import Attempt
from fuzzing.lists import lists
from fuzzing.material import Material
from fuzzing.media import pictures, videos
from fuzzing.mutations import VALUES, altered, scrambled
from fuzzing.pickles import hostile_pickle, repacked
from fuzzing.tensors import tensors
from rknn_zoo_e2e.bundle.model import METADATA, ONNX
from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.files.checksum import sha256

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
    # As the shell would hand them over: bytes without NUL, whatever they mean.
    handed = [word.replace("\0", "").encode("utf-8", "surrogatepass") for word in words]
    return Attempt([name, *map(os.fsdecode, handed)])


# Every kind, and its part of all inputs.
KINDS: dict[str, tuple[Make, float]] = {
    "checkpoints": (checkpoints, 0.09),
    "foreign": (foreign, 0.05),
    "bundles": (bundles, 0.12),
    "metadata": (metadata, 0.14),
    "pictures": (pictures, 0.18),
    "videos": (videos, 0.02),
    "tensors": (tensors, 0.16),
    "lists": (lists, 0.04),
    "addresses": (addresses, 0.06),
    "odd names": (odd_names, 0.04),
    "command lines": (command_lines, 0.1),
}
