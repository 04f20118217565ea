"""The table of the zoo: its page is made of its rows, its rows of builds, and stopping loses no row that was done."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.cli import PATIENCE, run

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import zoo_page  # noqa: E402
import zoo_rows  # noqa: E402
import zoo_table  # noqa: E402

from rknn_zoo_e2e import convert  # noqa: E402
from rknn_zoo_e2e.boards.soc import SOCS  # noqa: E402
from rknn_zoo_e2e.boards.speed import predict  # noqa: E402
from rknn_zoo_e2e.cli.ui.output import Output  # noqa: E402
from rknn_zoo_e2e.zoo import MODELS, catalogue, find_measured  # noqa: E402
from rknn_zoo_e2e.zoo.cards import CardError  # noqa: E402
from rknn_zoo_e2e.zoo.measured import find_row, read_measured  # noqa: E402

FILES = sorted((MODELS / "measured").glob("*.yaml"))
ROW = {"cycles": 5, "traffic_kb": 7, "cpu": [{"op": "Reshape", "shape": "(1,84,8400)"}], "seconds": 1.5}
FAILED = {"error": "The vendor's toolkit failed: no.", "seconds": 2.0}
KEPT = {"metric": "box", "soc": "rk3566", "images": 119, "fp32": 45.2, "int8": 44.7, "low": 97.5, "high": 100.1}


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of no rows yet, in the place of the package's."""
    (tmp_path / "measured").mkdir()
    monkeypatch.setattr("rknn_zoo_e2e.zoo.measured.MODELS", tmp_path)
    return tmp_path / "measured"


def plain(text: str) -> str:
    """With ordinary spaces and hyphens."""
    return text.replace(zoo_page.SPACE, " ").replace(zoo_page.HYPHEN, "-")


# The page


def test_the_page_is_what_the_script_makes_of_the_rows():
    assert zoo_page.PAGE.read_text("utf-8") == zoo_page.page(), "Write it anew: python scripts/zoo_table.py --no-build"


def test_every_model_has_a_line_in_the_tables_of_its_task():
    page = zoo_page.page()
    for card in zoo_rows.zoo():
        assert len(re.findall(rf"^\| {card.name} +\| ", page, re.MULTILINE)) >= 2


def test_what_is_not_there_yet_does_not_look_like_what_cannot_be(models: Path):
    (large, small), (flat, grid, other, *_) = map(catalogue().get, ("yolov8m", "yolov8s")), zoo_page.columns()
    assert (flat.soc, grid.soc, grid.layout, other.soc) == ("rk3566", "rk3566", "grid", "rk3588")
    zoo_rows.keep_row("yolov8m", "rk3566", "flat", ROW)
    zoo_rows.keep_row("yolov8s", "rk3566", "grid", FAILED)
    assert plain(zoo_page.figures(large, flat)) == "0.0 / 0.0 + 1 CPU"
    assert zoo_page.figures(small, grid) == zoo_page.speed(small, grid) == "**no build**"
    assert zoo_page.figures(large, other) == zoo_page.speed(large, other) == "not yet"
    elsewhere = next(column for column in zoo_page.columns() if column.soc == "rk3562")
    for column in (grid, elsewhere):
        assert zoo_page.figures(large, column) == zoo_page.speed(large, column) == ""
    page = zoo_page.page()
    assert "- yolov8s, rk3566, layout grid: The vendor's toolkit failed: no." in page
    assert re.search(r"\b2 of \d+ builds are there, 1 of which failed", page)


def test_the_page_has_what_int8_keeps(models: Path):
    zoo_rows.keep_retention("yolov8n", {**KEPT, "seconds": 90})
    page = zoo_page.page()
    assert re.search(r"\| yolov8n +\| box +\| +119 \| +45.2 \| +44.7 \| +98.9 \| +97.5 to 100.1 \|", page)
    assert "Measured were the 1 of 91 models" in page and "what INT8 keeps took 2 min" in page


def test_it_predicts_what_list_predicts(tmp_path: Path):
    done = run("list", "yolov8n", "--soc", "rk3588", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)[0]["predicted"]
    column = next(column for column in zoo_page.columns() if column.soc == "rk3588")
    assert said["layout"] == column.layout
    assert said["ms"] < 20  # with a tenth
    shown = f"{said['ms']:.1f} ({said['low']:.0f}-{said['high']:.0f})"
    assert plain(zoo_page.speed(catalogue()["yolov8n"], column)) == shown


# The rows


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_rows_are_of_builds_there_are_and_written_as_the_script_writes(path: Path):
    data = read_measured(path.stem)
    assert path.stem in {card.name for card in zoo_rows.zoo()}
    assert path.read_text("utf-8") == "".join((zoo_rows.HEAD, *zoo_rows.lines(data)))


def test_the_smaller_are_built_for_every_chip_and_the_larger_for_two():
    wanted = {(one.card.name, soc.name, one.layout_of(soc)) for one in zoo_rows.wanted() for soc in one.socs}
    assert len(wanted) == 35 * 7 + 56 * 2
    of = {name: {key[1:] for key in wanted if key[0] == name} for name in ("yolov9s", "yolov3-tinyu", "yolov9c-seg")}
    assert (
        of["yolov9s"]
        == of["yolov3-tinyu"]
        == {
            *((soc, "flat") for soc in ("rk3562", "rk3566", "rk3576", "rk3588")),
            *((soc, "grid") for soc in ("rk3566", "rv1106", "rv1126b")),
        }
    )
    assert of["yolov9c-seg"] == {("rk3566", "flat"), ("rk3588", "flat")}


def test_the_smallest_of_every_family_come_first():
    turns = [(one.card.size, one.layout) for one in zoo_rows.wanted()]
    for layout, begin in ((None, 0), ("grid", 18)):
        assert {*turns[begin : begin + 18]} == {(size, layout) for size in zoo_rows.SMALLEST}
    assert {*turns[36:53]} == {(size, None) for size in zoo_rows.SMALL}


def test_a_row_is_added_to_its_file_and_the_others_stay(models: Path):
    zoo_rows.keep_row("yolov8n", "rk3588", "flat", ROW)
    zoo_rows.keep_retention("yolov8n", {**KEPT, "seconds": 90})
    zoo_rows.keep_row("yolov8n", "rk3566", "grid", FAILED)
    data = read_measured("yolov8n")
    assert data["builds"] == {"rk3566": {"grid": FAILED}, "rk3588": {"flat": ROW}}
    assert data["retention"]["int8"] == 44.7
    assert find_row(data, "rk3568", "grid") == FAILED and find_row(data, "rk3568", "flat") is None
    assert [path.name for path in models.iterdir()] == ["yolov8n.yaml"]


def test_a_failure_is_no_figure_to_predict_from(models: Path):
    card = catalogue()["yolov8n"]
    zoo_rows.keep_row("yolov8n", "rk3588", "flat", FAILED)
    assert find_measured(card, "rk3588") is None
    zoo_rows.keep_row("yolov8n", "rk3588", "grid", ROW)
    assert find_measured(card, "rk3588") is None  # not what is built where no layout is asked for
    found = find_measured(card, "rk3588", "grid")
    assert found is not None and found.placement["cycles"] == 5


@pytest.mark.parametrize("change", [{"recipe": 1}, {"toolkit": "2.2.0"}])
def test_rows_of_another_toolkit_or_recipe_are_built_again(models: Path, change: dict):
    (one,) = (one for one in zoo_rows.wanted() if one.card.name == "yolov8n" and one.layout is None)
    for soc in one.socs:
        zoo_rows.keep_row("yolov8n", soc.name, soc.layout, ROW)
    assert zoo_rows.missing(one).socs == ()
    zoo_rows.write("yolov8n", {**read_measured("yolov8n"), **change})
    assert zoo_rows.missing(one).socs == one.socs
    assert find_measured(one.card, "rk3566") is not None  # until then they are what is known
    zoo_rows.keep_row("yolov8n", "rk3566", "flat", ROW)
    assert read_measured("yolov8n")["builds"] == {"rk3566": {"flat": ROW}}


WRONG = [
    ("rk3566: {flat: {cycles: -1, traffic_kb: 7, cpu: [], seconds: 1}}", "rk3566: flat: cycles must be between 0"),
    ("rk3566: {flat: {cycles: 5, cpu: [], seconds: 1}}", "yolov8n.yaml: builds: rk3566: flat: traffic_kb is missing"),
    ("rk3566: {flut: {}}", "yolov8n.yaml: builds: rk3566: unknown key 'flut', did you mean flat?"),
    ("rk3567: {}", "yolov8n.yaml: builds: unknown key 'rk3567', did you mean rk35"),
    ("rk3566: {flat: {error: 'no'}}", "rk3566: flat: seconds is missing"),
    ("rk3566: {flat: {error: 'no', seconds: 1, cycles: 5}}", "rk3566: flat: unknown key 'cycles'"),
    ("rk3566: 5", "builds: rk3566 must be a mapping, not 5"),
]


@pytest.mark.parametrize(("row", "said"), WRONG)
def test_a_wrong_row_is_named(models: Path, row: str, said: str):
    (models / "yolov8n.yaml").write_text(f"toolkit: 2.3.2\nrecipe: 7\nbuilds:\n  {row}\n")
    for reads in (zoo_page.page, lambda: find_measured(catalogue()["yolov8n"], "rk3566")):
        with pytest.raises(CardError, match=re.escape(said)):
            reads()


@pytest.mark.parametrize(
    ("content", "said"),
    [("[", "yolov8n.yaml: "), ("recipe: 7\nbuilds: {}\n", "yolov8n.yaml: toolkit is missing")],
)
def test_a_wrong_file_is_named_and_says_nothing_of_others(models: Path, content: str, said: str):
    (models / "yolov8n.yaml").write_text(content)
    with pytest.raises(CardError, match=re.escape(said)):
        find_measured(catalogue()["yolov8n"], "rk3566")
    assert find_measured(catalogue()["yolov8s"], "rk3566") is None


def test_a_wrong_row_is_not_written(models: Path):
    zoo_rows.keep_row("yolov8n", "rk3588", "flat", ROW)
    before = (models / "yolov8n.yaml").read_bytes()
    with pytest.raises(CardError, match="rk3566: flat: cycles must be int, not None"):
        zoo_rows.keep_row("yolov8n", "rk3566", "flat", {**ROW, "cycles": None})
    assert (models / "yolov8n.yaml").read_bytes() == before


# Building


def built(card_name: str, *socs: str) -> dict:
    """The rows of a model as they are built here, without their seconds, SoC -> row."""
    card = catalogue()[card_name]
    zoo_table.build_missing(zoo_rows.Wanted(card, tuple(SOCS[soc] for soc in socs)), Output(False, True, False))
    rows = read_measured(card_name)["builds"]
    return {soc: without_seconds(rows[soc][SOCS[soc].layout]) for soc in socs}


def without_seconds(row: dict | None) -> dict:
    assert row is not None
    return {key: value for key, value in row.items() if key != "seconds"}


@pytest.mark.slow
def test_three_rows_are_built_again(models: Path):
    """Cycles, traffic and what is on the CPU, exactly, of chips without Softmax, with it, and without floats."""
    recorded = yaml.safe_load((MODELS / "measured" / "yolo26n.yaml").read_text("utf-8"))
    socs = ("rk3566", "rk3588", "rv1106")
    kept = {soc: without_seconds(find_row(recorded, soc, SOCS[soc].layout)) for soc in socs}
    assert built("yolo26n", *socs) == kept
    assert all(find_row(read_measured("yolo26n"), soc, SOCS[soc].layout)["seconds"] > 0 for soc in socs)


def test_the_trained_model_is_as_its_row_says(weights: Path, data: Path, tmp_path: Path):
    """Where convert, with its own pictures, ends up: the figures of untrained weights, and the speed they predict."""
    made = convert("yolo26n", "rk3588", calib=data / "calib-coco", calib_images=2, verify=False, out=tmp_path)
    (artifact,) = made.artifacts
    known = find_measured(catalogue()["yolo26n"], "rk3588")
    assert known is not None and known.layout == artifact.layout == "flat"
    assert {key: artifact.placement[key] for key in known.placement} == known.placement
    assert artifact.predicted == predict("rk3588", "int8", known.placement)


@pytest.mark.slow
def test_what_cannot_be_exported_is_a_row_on_every_chip(models: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def torn(name: str, folder: Path, classes: int | None) -> Path:
        path = folder / f"{name}.pt"
        path.write_bytes(b"PK torn")
        return path

    monkeypatch.setattr(zoo_table, "untrained", torn)
    rows = built("yolov8n", "rk3566", "rk3588")
    assert rows["rk3566"] == rows["rk3588"] and "yolov8n" in rows["rk3566"]["error"]


STOPPED = """
import sys
sys.path.insert(0, {scripts!r})
from pathlib import Path
from rknn_zoo_e2e.zoo import measured
measured.MODELS = Path({models!r})
import zoo_page, zoo_table
zoo_page.PAGE = zoo_table.PAGE = Path({models!r}) / "zoo.md"
import typer
typer.run(zoo_table.main)
"""


@pytest.mark.slow
def test_ctrl_c_keeps_the_rows_that_are_done_and_the_same_command_goes_on(models: Path):
    code = STOPPED.format(scripts=str(ROOT / "scripts"), models=str(models.parent))
    command = [sys.executable, "-c", code, "yolov3-tinyu"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = [process.stderr.readline()]
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and said[0].startswith("yolov3-tinyu rk3566 flat: "), said[0] + rest
    assert [path.name for path in models.iterdir()] == ["yolov3-tinyu.yaml"]
    rows = read_measured("yolov3-tinyu")["builds"]
    assert rows.keys() == {"rk3566"} and rows["rk3566"]["flat"]["cycles"] > 0
    (one,) = (w for w in zoo_rows.wanted() if w.card.name == "yolov3-tinyu" and w.layout is None)
    assert {soc.name for soc in zoo_rows.missing(one).socs} == {*zoo_rows.SMALL_SOCS} - {"rk3566"}
    assert predict("rk3566", "int8", rows["rk3566"]["flat"]) is not None
