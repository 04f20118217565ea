"""An Ultralytics ``data.yaml``: where the pictures of its parts lie, by the rules of ``check_det_dataset``.

Its ``path`` is the data set's root: the file's folder if it is empty; a relative one starts at the working folder, at
the file's folder, or at Ultralytics' folder for data sets. An entry that starts with ``../`` and leads nowhere counts
from the root itself, as in the files Roboflow writes. Nothing in it is run or fetched.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.media.pictures import Pictures, pictures_in, spelt
from rknn_zoo_e2e.media.text import read_text

YAML = frozenset({".yaml", ".yml"})
SPLITS = ("val", "train", "test")  # as calibration takes them: what training did not see comes first
UP = ("../", "..\\")


def pictures_of(source: Path, splits: Sequence[str] = SPLITS) -> Pictures:
    """All pictures a folder (below it too), a list file, or a ``data.yaml`` names.

    Args:
        splits: parts of a ``data.yaml``; the first that has an entry counts.

    Raises:
        UserError: it is none of these, or names what is not there.
    """
    if source.suffix.lower() in YAML and not source.is_dir():
        file, data = read_data(source)
        return sum(map(pictures_in, parts_of(file, data, splits)), Pictures(()))
    check_there(source)
    return pictures_in(source)


def labelled_pictures(data: Path, split: str) -> list[Path]:
    """The pictures of one part of a ``data.yaml``, absolute.

    A folder that is a link stands for what it leads to: Ultralytics looks for the labels beside that.

    Raises:
        UserError: it cannot be read, or has no such part.
    """
    file, document = read_data(data)
    parts = [path.resolve() if path.is_dir() else path for path in parts_of(file, document, (split,))]
    # A pipe would hold up whoever reads it for ever.
    return [path.absolute() for part in parts for path in pictures_in(part).files if path.is_file()]


def recorded_name(source: Path) -> str:
    """What a data set, folder or list is called where figures of it are kept: no path."""
    if source.suffix.lower() not in YAML:
        return source.resolve().name
    return source.resolve().parent.name if source.stem == "data" else source.stem


def check_there(source: Path) -> None:
    """Raises :class:`UserError` where there is neither such a file or folder nor such a data set of Ultralytics."""
    if not os.path.lexists(source) and not (source.suffix.lower() in YAML and shipped(source.name)):
        raise UserError(f"{source} does not exist.", "Give a folder of pictures, a data.yaml or a list.txt.")


def read_data(source: Path) -> tuple[Path, dict[str, Any]]:
    """A ``data.yaml`` and what it says; one of Ultralytics' own (coco8.yaml) where there is no such file.

    Raises:
        UserError: there is none, it is no text, or no mapping.
    """
    check_there(source)
    file = source if os.path.lexists(source) else shipped(source.name) or source
    try:
        data = yaml.safe_load(read_text(file))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{source} is not valid YAML{where}.", "Correct it, or give a folder of pictures.") from None
    if not isinstance(data, dict):
        raise UserError(f"{source} is not an Ultralytics data.yaml.", "It needs a val, train or test entry.")
    data = {key: None if value == "None" else value for key, value in data.items()}
    if "val" not in data and "validation" in data:
        data["val"] = data.pop("validation")
    return file, data


def shipped(name: str) -> Path | None:
    """The ``data.yaml`` that Ultralytics ships under that name."""
    ultralytics = find_spec("ultralytics")
    homes = (ultralytics.submodule_search_locations if ultralytics else None) or ()
    return next((path for home in homes if (path := Path(home, "cfg", "datasets", name)).is_file()), None)


def parts_of(file: Path, data: dict[str, Any], splits: Sequence[str]) -> list[Path]:
    """The folders and lists of the first of ``splits`` that has an entry.

    Raises:
        UserError: none has, or one is not there.
    """
    split = next((name for name in splits if data.get(name)), None)
    if split is None:
        held = ", ".join(str(key) for key in data if data[key]) or "nothing"
        raise UserError(
            f"{file} has no {' or '.join(splits)} entry (it has {held}).", f"Add {splits[0]}: FOLDER to it."
        )
    entries = data[split] if isinstance(data[split], list) else [data[split]]
    if not entries or not all(isinstance(entry, (str, int)) for entry in entries):
        raise UserError(f"The {split} entry of {file} names no folder.", "Write a path there, or a list of paths.")
    tried: list[Path] = []
    for root in roots_of(file, data):
        found = [part(root, str(entry)) for entry in entries]
        if all(found):
            return [path for path in found if path]
        missing = str(entries[found.index(None)])
        tried.append(root / missing)
        if missing.startswith(UP):
            tried.append(root / missing[3:])
    where = ", ".join(dict.fromkeys(os.path.normpath(os.path.abspath(path)) for path in tried))
    raise UserError(
        f"{file} cannot be used: its {split} entry does not exist (looked for {where}).", remedy(file, data)
    )


def part(root: Path, entry: str) -> Path | None:
    """Where an entry leads to from a root, None if nowhere."""
    entry = os.path.expanduser(entry)
    return spelt(entry, [root]) or (spelt(entry[3:], [root]) if entry.startswith(UP) else None)


def roots_of(file: Path, data: dict[str, Any]) -> Iterator[Path]:
    """Where the data set's root may be, the likeliest first."""
    given = data.get("path")
    if not given:
        yield file.parent
        return
    path = Path(os.path.expanduser(str(given)))
    for text in dict.fromkeys((str(path), str(path).replace("\\", "/"))):
        yield Path(text)
        if not os.path.isabs(text):
            yield file.parent / text
    if not path.is_absolute() and find_spec("ultralytics"):
        from ultralytics.utils import DATASETS_DIR

        yield Path(DATASETS_DIR) / path


def remedy(file: Path, data: dict[str, Any]) -> str:
    """What to do about a part that is not there."""
    if file == shipped(file.name):
        code = f"from ultralytics.data.utils import check_det_dataset as c; c('{file.name}')"
        return f'Give a folder of pictures, or let Ultralytics fetch its data set first: python -c "{code}"'
    download = " Its download entry is not run here." if data.get("download") else ""
    return f"Correct its path and its entries, or give a folder of pictures.{download}"
