"""``convert --max-drop``: parts leave INT8 until a build loses no more mAP than it may, on pictures nobody chose by."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from rich.console import Console
from support.cli import COMMAND, PATIENCE, run

from rknn_zoo_e2e import convert, evaluate
from rknn_zoo_e2e.analysis.candidates import MOST_BUILDS, candidates
from rknn_zoo_e2e.analysis.drop import EVERYTHING, Held, step
from rknn_zoo_e2e.bundle.drop import read_drop
from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.bundle.writer import write_bundle
from rknn_zoo_e2e.cli.ui.tables import drop_table
from rknn_zoo_e2e.conversion.bound import Bound, labels_of
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.files.checksum import sha256
from rknn_zoo_e2e.measure.halves import halves_of
from rknn_zoo_e2e.media import synthetic

pytestmark = pytest.mark.slow

ROUNDED = 0.0016  # in points: both mAP (0..1) are kept with five decimals, and the loss with three


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """A data.yaml of thirty drawn pictures and their labels."""
    folder = tmp_path_factory.mktemp("drawn")
    for part in ("images/val", "labels/val"):
        (folder / part).mkdir(parents=True)
    for seed in range(5_000_000, 5_000_030):
        image, found = synthetic.draw_scene(seed, (320, 320))
        Image.fromarray(image).save(folder / f"images/val/{seed}.png")
        lines = []
        for shape in found:
            x1, y1, x2, y2 = np.array(shape.box) / 320
            lines.append(f"{shape.class_id} {(x1 + x2) / 2:.6f} {(y1 + y2) / 2:.6f} {x2 - x1:.6f} {y2 - y1:.6f}")
        (folder / f"labels/val/{seed}.txt").write_text("\n".join(lines))
    facts = {"train": "images/val", "val": "images/val", "names": dict(enumerate(synthetic.NAMES))}
    (folder / "data.yaml").write_text(yaml.safe_dump(facts))
    return folder / "data.yaml"


def names(half: Sequence[Path]) -> list[str]:
    return [path.name for path in half]


def lost(folder: Path, data: Path, half: str, counts: dict[str, int]) -> float:
    """The loss of mAP50-95 x 100 on a half, as anybody can measure it: by two commands."""
    found = []
    for backend in ("onnx", "simulator"):
        out = run("eval", folder, "--data", data, "--half", half, "--backend", backend, "--json", cwd=data.parent)
        assert out.returncode == 0, out.stderr
        found.append(json.loads(out.stdout))
        said = {key: found[-1][key] for key in ("half", "images", "left_out")}
        assert said == {"half": half, "images": counts[half], "left_out": counts["left_out"]}
    fp32, int8 = (one["metrics"]["box"]["map"] for one in found)
    return 100 * (fp32 - int8)


def test_halves_go_by_what_pictures_show(drawn: Path, tmp_path: Path):
    halves = halves_of(drawn, "val", ())
    assert halves.counts == {"left_out": 0, "choosing": 15, "confirming": 15}
    assert not set(halves.choosing) & set(halves.confirming)
    renamed = tmp_path / "renamed"
    shutil.copytree(drawn.parent, renamed)
    for index, path in enumerate(sorted((renamed / "images/val").iterdir(), reverse=True)):
        path.rename(path.with_name(f"{index:04}-{path.name}"))
    again = halves_of(renamed / "data.yaml", "val", ())
    assert [name.partition("-")[2] for name in names(again.choosing)] == names(halves.choosing)


def test_copies_of_a_picture_are_in_one_half_and_calibration_pictures_in_none(drawn: Path, tmp_path: Path):
    copy = tmp_path / "copy"
    shutil.copytree(drawn.parent, copy)
    pictures = sorted((copy / "images/val").iterdir())
    for path in pictures[:5]:
        shutil.copy(path, path.with_name(f"again-{path.name}"))
    used = [sha256(path) for path in pictures[:3]]
    halves = halves_of(copy / "data.yaml", "val", used)
    assert halves.left_out == 6
    one, two = ({name.removeprefix("again-") for name in names(half)} for half in (halves.choosing, halves.confirming))
    assert not one & two and not {path.name for path in pictures[:3]} & (one | two)
    with pytest.raises(UserError, match="too few"):
        halves_of(copy / "data.yaml", "val", [sha256(path) for path in pictures[:27]])


def test_labels_are_found_behind_a_link_and_nobody_waits_for_a_pipe(drawn: Path, tmp_path: Path):
    """As eval and Ultralytics read the same data set."""
    (tmp_path / "linked").symlink_to(drawn.parent / "images/val")
    (tmp_path / "more").mkdir()
    os.mkfifo(tmp_path / "more/pipe.jpg")
    facts = {**yaml.safe_load(drawn.read_text()), "val": ["linked", "more"]}
    (tmp_path / "data.yaml").write_text(yaml.safe_dump(facts))
    bound = Bound.of(0.5, tmp_path / "data.yaml")
    halves = halves_of(tmp_path / "data.yaml", "val", ())
    assert halves == halves_of(drawn, "val", ()) and bound is not None
    assert all(labels_of(path).is_file() for path in halves.choosing + halves.confirming)


@pytest.mark.parametrize(
    ("before", "blocks", "said"),
    [
        ([], [], ["nothing"]),
        ([], ["a"], ["+ a"]),
        (["a"], ["a", "b, c", "d"], ["+ b, c", "+ d"]),
        (["a", "b"], [EVERYTHING], [EVERYTHING]),
        (["a", "b"], ["b", "c"], ["b", "c"]),
    ],
)
def test_a_build_is_told_by_what_it_adds(before, blocks, said):
    assert step(before, blocks) == said


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_of_a_search_fits_a_terminal(width):
    """Each block is named once, however many builds leave it out of INT8, and the build that is kept is marked."""
    names = ["model.0", "box branch, stride 32: stem", "model.22 without attention"]
    numbers = {"cycles": 5_620_000, "traffic_kb": 57_000, "choosing": -0.51}
    sure = {"loss": -1.45, "low": -1.83, "high": 0.58}
    tried = [{**numbers, "blocks": names[:count], "confirming": sure} for count in (0, 1, 3)]
    tried.append({**numbers, "blocks": [EVERYTHING], "confirming": None})
    counts = {"choosing": 60, "confirming": 59, "left_out": 0}
    report = {"limit": 0.5, "metric": "box", "pictures": counts, "tried": tried, "chosen": 2}
    console = Console(width=width, file=io.StringIO())
    console.print(drop_table(Held("yolo26n", "rk3588", report)))
    lines = console.file.getvalue().splitlines()
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]
    assert max(map(len, lines)) <= width
    assert " ".join(row[0] for row in rows) == "nothing + model.0 + " + " + ".join(names[1:]) + " everything"
    assert [row[1] for row in rows if row[1]] == ["0", "1", "3", "kept", "all"]
    assert {row[6] for row in rows} == {"-1.83 to 0.58", ""}


def test_what_gives_most_for_its_cost_leaves_first():
    rows = [
        {
            "name": str(index),
            "int8": index != 3,
            "cost": {"cycles": 10 * index, "traffic_kb": 0},
            "gain": {"share": 0.1},
        }
        for index in range(1, 40)
    ]
    sets = candidates({"blocks": rows}, 1000, 1000)
    assert len(sets) <= MOST_BUILDS - 2 and [row["name"] for row in sets[0]] == ["1"]
    assert all(one == two[: len(one)] and len(one) < len(two) for one, two in pairwise(sets))
    assert len(sets[-1]) == 38 and "3" not in {row["name"] for row in sets[-1]}
    assert candidates({"blocks": [{**rows[0], "cost": None}]}, 1000, 1000) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--max-drop", "0.5"), "--data data.yaml"),
        (("--data", "DATA"), "--max-drop 0.5"),
        (("--data", "DATA", "--max-drop", "0.5", "--precision", "fp16"), "fp16"),
        (("--data", "DATA", "--max-drop", "nan"), "--max-drop"),
        (("--data", "."), "--max-drop 0.5"),
    ],
)
def test_wrong_use(drawn: Path, tmp_path: Path, words, said):
    words = [str(drawn) if word == "DATA" else word for word in words]
    out = run("convert", "shapes", "--soc", "rk3566", *words, cwd=tmp_path)
    assert out.returncode == 2 and said in out.stderr, out.stderr
    assert not list(tmp_path.iterdir())


@dataclass(frozen=True)
class Searched:
    """A search that was interrupted after its first build, and gone on with.

    Attributes:
        here: the working folder.
        begun: what the bundle kept at the interruption.
        document: the command's JSON once it was done.
    """

    here: Path
    begun: dict[str, Any]
    document: dict[str, Any]

    @property
    def folder(self) -> Path:
        return self.here / "shapes_rknn_model"

    @property
    def found(self) -> dict[str, Any]:
        held = read_bundle(self.folder)
        (artifact,) = held.artifacts
        found = read_drop(held, artifact)
        assert found is not None
        return found


ASKED: dict[str, Any] = {"socs": "rk3566", "calib_images": 20, "max_drop": 0.02}


def words(data: Path) -> list[object]:
    """The same as it is typed."""
    return ["convert", "shapes", "--soc", "rk3566", "--calib-images", 20, "--max-drop", 0.02, "--data", data]


@pytest.fixture(scope="module")
def searched(drawn: Path, tmp_path_factory) -> Searched:
    here = tmp_path_factory.mktemp("searched")
    process = subprocess.Popen([*COMMAND, *map(str, words(drawn))], cwd=here, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.endswith(": emulate\n"):  # the first build is measured, and loses too much on one of the halves
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    begun = Searched(here, {}, {}).found
    out = run(*words(drawn), "--json", cwd=here)
    assert out.returncode == 0, out.stderr
    return Searched(here, begun, json.loads(out.stdout))


def test_an_interrupted_search_goes_on(searched: Searched):
    assert searched.begun["met"] is None and len(searched.begun["tried"]) == 1
    found = searched.found
    assert found["met"] and found["tried"][0] == searched.begun["tried"][0]
    assert searched.document["drop"]["rk3566"] == found
    chosen = found["tried"][found["chosen"]]
    (artifact,) = read_bundle(searched.folder).artifacts
    assert artifact.hybrid == chosen["regions"] and chosen["blocks"] and artifact.parity["passed"]
    assert artifact.placement["cycles"] == chosen["cycles"]


def test_the_same_command_takes_what_was_chosen(searched: Searched, drawn: Path):
    (before,) = read_bundle(searched.folder).artifacts
    again = run(*words(drawn), cwd=searched.here)
    assert again.returncode == 0 and "simulator" not in again.stderr, again.stderr
    assert again.stdout.count("kept") == 1 and "confirm" in again.stdout
    assert read_bundle(searched.folder).artifacts[0].sha256 == before.sha256


@pytest.mark.parametrize("half", ["choosing", "confirming"])
def test_anybody_can_measure_what_the_search_measured(searched: Searched, drawn: Path, half: str):
    found = searched.found
    chosen = found["tried"][found["chosen"]]
    kept = {"choosing": chosen["choosing"], "confirming": chosen["confirming"]["loss"]}[half]
    loss = lost(searched.folder, drawn, half, found["pictures"])
    assert loss == pytest.approx(kept, abs=ROUNDED) and loss <= 0.02 + ROUNDED
    assert read_bundle(searched.folder).artifacts[0].evaluations == [], "figures of a half pass for no data set's"


def test_python_keeps_to_a_bound_as_the_command_does(searched: Searched, drawn: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = convert("shapes", **ASKED, data=drawn, out=searched.here)
    assert result.drop == searched.document["drop"] and result == searched.folder
    assert [artifact.sha256 for artifact in result.artifacts] == [
        entry["sha256"] for entry in searched.document["artifacts"]
    ]


def test_what_cannot_be_had_is_said(drawn: Path, tmp_path: Path):
    asked: dict[str, Any] = {"socs": "rv1103b", "calib_images": 20, "max_drop": 0, "data": drawn, "out": tmp_path}
    with pytest.warns(UserWarning, match="nothing can leave it"):
        result = convert("shapes", **asked)
    found = result.drop["rv1103b"]
    assert found["met"] is False and len(found["tried"]) == 1, "the build is kept all the same"
    with pytest.raises(UserError, match="nothing can leave it"):
        convert("shapes", **asked, check=True)
    typed = ("convert", "shapes", "--soc", "rv1103b", "--calib-images", 20, "--data", drawn, "--max-drop", 0)
    out = run(*typed, "--json", cwd=tmp_path)
    assert out.returncode == 1 and "nothing can leave it" in out.stderr, out.stderr
    assert json.loads(out.stdout)["drop"] == result.drop


@pytest.fixture(scope="module")
def calibrated(drawn: Path, tmp_path_factory) -> Path:
    """A bundle nobody searched for, calibrated with four of the labelled pictures."""
    here = tmp_path_factory.mktemp("calibrated")
    asked = ("--calib", drawn.parent / "images", "--calib-images", 4, "--no-verify")
    out = run("convert", "shapes", "--soc", "rk3566", *asked, cwd=here)
    assert out.returncode == 0, out.stderr
    return here / "shapes_rknn_model"


def test_halves_need_no_search_and_hold_no_calibration_picture(calibrated: Path, drawn: Path):
    asked = ("--data", drawn, "--half", "confirming", "--backend", "onnx", "--json")
    out = run("eval", calibrated, *asked, cwd=calibrated.parent)
    assert out.returncode == 0 and "4 pictures of" in out.stderr, out.stderr
    document = json.loads(out.stdout)
    assert (document["half"], document["images"], document["left_out"]) == ("confirming", 13, 4)
    assert document == evaluate(calibrated, drawn, backend="onnx", half="confirming")


def test_there_are_no_halves_where_nothing_says_what_it_was_calibrated_with(calibrated: Path, drawn: Path, tmp_path):
    folder = shutil.copytree(calibrated, tmp_path / "earlier_rknn_model")
    bundle = read_bundle(folder)
    (artifact,) = bundle.artifacts
    calibration = json.loads((folder / artifact.calibration).read_text())
    del calibration["digests"]  # as an earlier version kept it
    content = json.dumps(calibration).encode()
    artifact.calibration_sha256 = hashlib.sha256(content).hexdigest()
    write_bundle(bundle, {artifact.calibration: content})
    with pytest.raises(UserError, match="earlier version") as caught:
        evaluate(folder, drawn, backend="onnx", half="choosing")
    assert "-o" in caught.value.fix
    with pytest.raises(UserError, match="is a checkpoint here"):
        evaluate("shapes", drawn, backend="torch", half="choosing")
    with pytest.raises(UsageError, match="'both' is not a half"):
        evaluate(folder, drawn, backend="onnx", half="both")
