"""Calibration lists and data sets: the dialects people write, damaged ones, and ones that name no picture."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import Any

import yaml

from fuzzing.harness import Attempt
from fuzzing.material import Material
from fuzzing.mutations import VALUES, WORDS, altered, scrambled

ENCODINGS = ("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "gbk", "latin-1", "cp1252")
ENTRIES = (
    "../valid/images", "valid/images", "..\\valid\\images", "C:\\sets\\valid", "/content/set/valid", "~/valid",
    "./valid/images/", "valid/pipe.jpg", "valid/list.txt", "images/..", "valid/images/*.jpg", "coco8", "行人",
)  # fmt: skip
SOURCES = ("list.txt", "list", "list.TXT", "data.yaml", "data.yml", "DATA.YAML", "coco8.yaml", "pictures.jpg")
ODD = ("pipe.jpg", "folder.jpg", "dangling.jpg", "loop.jpg", "empty.jpg", "text.jpg", "cut.jpg", "x.heic", "n\n.jpg")


def lists(rng: Random, material: Material, folder: Path) -> Attempt:
    """A list, a data set or a folder without one good picture; its text in any dialect, encoding or state."""
    valid = folder / "valid" / "images"
    valid.mkdir(parents=True)
    for name in rng.sample(ODD, rng.randrange(len(ODD))):
        _odd(valid / name, material)
    path = folder / rng.choice(SOURCES)
    text = _data(rng) if path.suffix.lower() in (".yaml", ".yml") else _list(rng)
    data = text.replace("\n", rng.choice(("\n", "\r\n"))).encode(rng.choice(ENCODINGS), "replace")
    path.write_bytes(scrambled(rng, data) if rng.random() < 0.2 else data)
    source = str(folder if rng.random() < 0.2 else path)
    model = str(rng.choice(material.bundles))
    if path.suffix.lower() == ".yaml" and rng.random() < 0.5:
        split = rng.choice(("val", "train", "TEST"))
        return Attempt(["eval", model, "--data", source, "--backend", "onnx", "--split", split])
    counted = rng.choice(([], ["--calib-images", rng.choice(("1", "7", "100"))]))
    return Attempt(["convert", "shapes", "--soc", "rk3566", f"--calib={source}", *counted])


def _odd(path: Path, material: Material) -> None:
    """Something that is called like a picture and is none."""
    kind = path.stem
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind in ("dangling", "loop"):
        path.symlink_to(path.name if kind == "loop" else "gone.jpg")
    else:
        whole = (material.folder / "picture.jpg").read_bytes()
        path.write_bytes({"empty": b"", "text": b"no picture"}.get(kind, whole[:700]))


def _data(rng: Random) -> str:
    """A data.yaml, sometimes altered beyond recognition."""
    entry = rng.choice(ENTRIES)
    document: dict[str, Any] = {
        rng.choice(("val", "validation", "train", "test")): rng.choice((entry, [entry], [entry, rng.choice(ENTRIES)])),
        "names": rng.choice(({0: "a"}, ["行人", "café"], ["a"] * 5)),
    }
    if rng.random() < 0.6:
        document["path"] = rng.choice(("", None, "None", ".", "..", "../x", "coco8", "/kaggle/input", "C:\\x", 5))
    if rng.random() < 0.2:
        document["download"] = "open('touched', 'w')"
    if rng.random() < 0.4:
        document = altered(rng, document)
    text = yaml.safe_dump(document, allow_unicode=rng.random() < 0.8)
    return rng.choice((text, f"# by hand\n\n{text}", text.replace("val: ", "val:\t", 1)))


def _list(rng: Random) -> str:
    """Lines of a list, none of which is a good picture."""
    lines = [rng.choice((*ENTRIES, *WORDS, str(rng.choice(VALUES)))) for _ in range(rng.randint(1, 6))]
    lines += [f"valid/images/{name}" for name in rng.sample(ODD, 2)]
    forms = ("{}", "./{}", '"{}"', "'{}'", "  {}  ", "# {}", "{} 0 0 1 1", ".\\{}")
    return "\n".join(rng.choice(forms).replace("{}", line) for line in lines)
