"""What a card says of running the model: C++ where Rockchip has no Python, and it compiles."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from bundles import SPEC, make
from server import Hub

from rknn_zoo_e2e.boards.soc import SOCS
from rknn_zoo_e2e.bundle.model import Bundle
from rknn_zoo_e2e.publishing.card import make_card
from rknn_zoo_e2e.publishing.plan import Wishes
from rknn_zoo_e2e.publishing.publish import publish
from rknn_zoo_e2e.tasks.registry import TASKS

CPP = Path(__file__).parents[2] / "cpp"
MODELS = {
    "detect": SPEC,
    "pose": replace(SPEC, task="pose", kpt_shape=(3, 2), skeleton=((0, 1),)),
    "segment": replace(SPEC, task="segment", masks=4),
    "obb": replace(SPEC, task="obb"),
}


def card_of(folder: Path, *socs: str, **facts) -> str:
    bundle = make(folder, *socs, **facts)
    parts = [replace(one, layout=SOCS[one.soc].layout) if one.soc in SOCS else one for one in bundle.artifacts]
    return make_card("me/tiny", [bundle.only(one) for one in parts], None)


def programs(card: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", card, re.DOTALL)


@pytest.mark.parametrize(
    ("socs", "python", "cpp", "said"),
    [
        (("rk3566", "rk3588"), 1, 0, "In C++: the program `e2erknn-run` and a library, by docs/cpp.md"),
        (("rv1106",), 0, 1, "In C++, for rv1106 (Rockchip has no Python runtime there): "),
        (("rv1106", "rk3566", "rv1103b"), 1, 1, "In C++, for rv1103b, rv1106 (Rockchip has no Python runtime there): "),
        (("rv1126b",), 1, 1, "In C++, for rv1126b: "),
        (("later1",), 1, 0, "In C++: "),  # of another version's bundle, perhaps
    ],
)
def test_a_card_has_the_language_of_its_chips(tmp_path: Path, socs, python, cpp, said):
    card = card_of(tmp_path, *socs)
    assert (len(programs(card, "python")), len(programs(card, "cpp"))) == (python, cpp) and said in card
    assert ("e2erknn pull me/tiny --soc rv1" in card) is bool(cpp)


@pytest.mark.parametrize(
    ("socs", "shapes", "library"),
    [
        (("rk3566",), "`output0` is (1, channels, anchors), float32", "Rockchip's librknnrt, which"),
        (("rv1106",), "`output0` is (1, channels, height, width), float32", "Rockchip's librknnmrt, which"),
        (
            ("rk3566", "rv1106"),
            "(1, channels, anchors) on rk3566 and (1, channels, height, width) on rv1106, float32",
            "Rockchip's librknnrt or librknnmrt, which",
        ),
    ],
)
def test_a_card_tells_the_outputs_of_each_layout(tmp_path: Path, socs, shapes, library):
    card = card_of(tmp_path, *socs)
    assert shapes in card and library in card


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_the_cpp_of_a_card_compiles(tmp_path: Path, task):
    compiler = shutil.which("c++") or pytest.skip("no C++ compiler: apt-get install g++")
    [program] = programs(card_of(tmp_path, "rv1106", spec=MODELS[task]), "cpp")
    (tmp_path / "main.cpp").write_text(program)
    strict = ("-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I", CPP / "include")
    done = subprocess.run([compiler, *strict, tmp_path / "main.cpp"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(program.splitlines()) <= 20


def test_a_repo_holds_both_layouts_of_a_model(hub: Hub, tmp_path: Path):
    flat, grid = make(tmp_path / "a"), make(tmp_path / "b", "rv1106", layout="grid")
    for bundle in (flat, grid):  # the second joins what the first left
        publish([bundle], "me/tiny", Wishes(draw=False))
    card = hub.files("me/tiny")["README.md"].decode()
    assert "(1, channels, anchors) on rk3566 and (1, channels, height, width) on rv1106" in card
    assert "2.3.2/rk3566/int8/metadata.yaml" in hub.files("me/tiny")
    assert "layout: grid" in hub.files("me/tiny")["2.3.2/rv1106/int8/metadata.yaml"].decode()


def test_a_bundle_of_format_3_is_published_and_pulled(hub: Hub, tmp_path: Path):
    from rknn_zoo_e2e.bundle.reader import read_bundle
    from rknn_zoo_e2e.hub.pull import fetch, pull

    old: Bundle = read_bundle(Path(__file__).parents[1] / "format3")
    publish([old], "me/shapes-pose", Wishes(draw=False))
    path, changed = pull(fetch("me/shapes-pose", soc="rv1106"), tmp_path)
    [artifact] = read_bundle(path).artifacts
    assert changed and (artifact.soc, artifact.layout, artifact.left_out) == ("rv1106", "flat", None)


def test_a_repo_with_a_bundle_of_format_3_is_read(hub: Hub, tmp_path: Path, monkeypatch):
    """What was published by an older version is pulled as it is, and kept beside what is added."""
    from rknn_zoo_e2e.bundle.reader import read_bundle
    from rknn_zoo_e2e.hub import layout
    from rknn_zoo_e2e.hub.pull import fetch

    old = read_bundle(Path(__file__).parents[1] / "format3")
    with monkeypatch.context() as earlier:  # the metadata as it was then: of one artifact, in the old format
        earlier.setattr(Bundle, "metadata_text", lambda self: of_format_3(self))
        publish([old.only(old.artifacts[1])], "me/shapes-pose", Wishes(draw=False))
    folder = "2.3.2/rv1106/int8"
    assert "format_version: 3" in hub.files("me/shapes-pose")[f"{folder}/metadata.yaml"].decode()
    assert layout.read_folder(fetch("me/shapes-pose").path, "me/shapes-pose").artifacts[0].layout == "flat"
    publish([old.only(replace(old.artifacts[0], layout="grid"))], "me/shapes-pose", Wishes(draw=False))
    assert f"{folder}/metadata.yaml" in hub.files("me/shapes-pose")
    assert "on rk3566 and (1, channels, anchors) on rv1106" in hub.files("me/shapes-pose")["README.md"].decode()


def of_format_3(bundle: Bundle) -> str:
    """Metadata in the format before the present one."""
    from rknn_zoo_e2e.files.yaml_data import write_yaml

    data = bundle.metadata()
    data["format_version"], data["layout"] = 3, data.pop("onnx_layout")
    data["artifacts"] = [
        {key: value for key, value in one.items() if key not in ("layout", "left_out")} for one in data["artifacts"]
    ]
    return write_yaml(data)
