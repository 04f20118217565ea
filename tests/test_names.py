"""Class names out of people's checkpoints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import foreign
from support.cli import run

from rknn_zoo_e2e.checkpoint.names import class_names

ABC = ("a", "b", "c")
CASES = {
    "as they should be": ({0: "a", 1: "b", 2: "c"}, ABC, ""),
    "a list": (["a", "b", "c"], ABC, ""),
    "texts for keys": ({"0": "a", "1": "b", "2": "c"}, ABC, ""),
    "floats for keys": ({0.0: "a", 1.0: "b", 2.0: "c"}, ABC, ""),
    "in another order": ({2: "c", 0: "a", 1: "b"}, ABC, ""),
    "numbers": ([10, 2.5, True], ("10", "2.5", "True"), ""),
    "bytes": ([b"a", "b", "c"], ABC, "Stripped"),
    "Chinese": (["行人", "车", "c"], ("行人", "车", "c"), ""),
    "from 1": ({1: "a", 2: "b", 3: "c"}, ABC, "count from 1"),
    "from 1, texts": ({"1": "a", "2": "b", "3": "c"}, ABC, "count from 1"),
    "name to number": ({"a": 0, "c": 2, "b": 1}, ABC, "turned round"),
    "none": (None, ("class0", "class1", "class2"), "have no names"),
    "a text": ("abc", ("class0", "class1", "class2"), "have no names"),
    "an empty list": ([], ("class0", "class1", "class2"), "have no names"),
    "too few": (["a"], ("a", "class1", "class2"), "class1, class2 have no name"),
    "a gap": ({0: "a", 2: "c"}, ("a", "class1", "c"), "class1 have no name"),
    "too many": (["a", "b", "c", "d"], ABC, "were left out: 3"),
    "keys that mean nothing": ({0: "a", 1: "b", 2: "c", "x": "y", -1: "z"}, ABC, "were left out: -1"),
    "ends of lines": (["a\r", "b\n", "c\t"], ABC, "Stripped or shortened names: a, b, c"),
    "a mark of byte order": (["\ufeffa", "b", "c"], ABC, "Stripped"),
    "the end of a DOS file": (["a", "b", "c\x1a"], ABC, "Stripped"),
    "spaces of no width": (["\u200ba\u200b ", "b", "c"], ABC, "Stripped"),
    "a tab inside": (["a\tb", "b", "c"], ("a b", "b", "c"), "Stripped"),
    "too long": (["a" * 300, "b", "c"], ("a" * 199 + "…", "b", "c"), "Stripped or shortened"),
    "empty": (["a", "", " \r"], ("a", "class1", "class2"), "class1, class2 have no name"),
    "not a number": (["a", float("nan"), None], ("a", "class1", "class2"), "have no name"),
    "half a character": (["\ud800a", "b", "c"], ("?a", "b", "c"), "Stripped"),
    "twice": (["a", "a", "c"], ("a", "a", "c"), "same name: a"),
}


@pytest.mark.parametrize("case", CASES)
def test_names_are_put_right_and_said(case):
    given, expected, noted = CASES[case]
    names, notes = class_names(given, 3)
    assert names == expected
    assert noted in " ".join(notes) and bool(noted) == bool(notes)


@pytest.mark.parametrize("name", [["a"], {"a": 1}, ("a",)])
def test_a_list_is_no_name(name):
    with pytest.raises(ValueError, match="the name of class 1 is a"):
        class_names(["a", name], 2)


@pytest.mark.slow
def test_info_and_convert_say_what_was_put_right(tmp_path: Path, models: Path):
    model = foreign.starter()
    model.names = {index + 1: f"{name}\r" for index, name in model.names.items()}
    model.args = {}
    foreign.save(tmp_path / "mine.pt", model, train_args=None)
    facts = json.loads(run("info", "mine.pt", "--json", cwd=tmp_path).stdout)
    assert facts["names"] == list(foreign.starter().names.values()) and len(facts["notes"]) == 3
    out = run("info", "mine.pt", cwd=tmp_path).stdout
    assert "count from 1" in out and "Stripped" in out and "at what size" in out
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/a.jpg").write_bytes((models / "sample.jpg").read_bytes())
    calib = ("--calib", "pictures", "--calib-images", 1, "--imgsz", 320, "--no-verify")
    done = run("convert", "mine.pt", "--soc", "rk3566", *calib, cwd=tmp_path)
    assert done.returncode == 0 and "mine: Its class names count from 1" in done.stderr, done.stderr
    assert (tmp_path / "mine_rknn_model/labels.txt").read_text().splitlines() == facts["names"]
