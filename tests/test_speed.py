"""Predicted speed: the package's coefficients are what the published speeds give, and behave as work does."""

import json
import os
import re
import sys
from dataclasses import astuple, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.cli import run

from rknn_zoo_e2e.boards.published import FIGURES, Published, published
from rknn_zoo_e2e.boards.soc import SOCS
from rknn_zoo_e2e.boards.speed import FITS, Cost, predict
from rknn_zoo_e2e.cli.convert import report
from rknn_zoo_e2e.cli.ui.output import Output
from rknn_zoo_e2e.cli.ui.tables import predictions
from rknn_zoo_e2e.conversion.pipeline import Conversion
from rknn_zoo_e2e.publishing.card import make_card
from rknn_zoo_e2e.zoo import MODELS, catalogue, find_measured

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests" / "hub")]

import fit_speeds  # noqa: E402
from bundles import PLACEMENT, make  # noqa: E402

GRAPHS = [*published()]
# Ours of yolov8n, 640 px, layout grid, from docs/benchmarks.md: cycles, traffic in KB.
OURS = {
    "rk3562": (11_670_000, 46_660),
    "rk3566": (12_000_000, 46_187),
    "rk3568": (12_000_000, 46_187),
    "rk3576": (8_340_000, 46_662),
    "rk3588": (6_410_000, 46_664),
}
FLAT = {"op": "Reshape", "name": "last", "shape": "(1,84,8400)"}


def placed(soc: str, *cpu: dict) -> dict:
    """Where our yolov8n runs."""
    return {"npu": 140, "cpu": [*cpu], "cycles": OURS[soc][0], "traffic_kb": OURS[soc][1]}


# The fit


def test_the_coefficients_are_what_the_script_makes_of_the_published_speeds():
    again = fit_speeds.fits()
    assert [*again] == [*FITS]
    for soc, fit in FITS.items():
        assert astuple(fit) == pytest.approx(astuple(again[soc]), rel=1e-3)


def test_thirteen_graphs_are_published_for_each_soc():
    assert len(FIGURES) == 13
    assert all([*socs] == [*FITS] for socs in FIGURES.values())


def test_no_coefficient_is_negative_and_work_on_the_npu_costs_time_everywhere():
    for fit in FITS.values():
        assert fit.cycles > 0 and fit.traffic > 0 and fit.cpu > 0


@pytest.mark.parametrize("soc", FITS)
def test_graphs_left_out_are_predicted(soc: str):
    """Mean and worst error: rk3566 may be off by 15 and 30 %, the others by 8 and 17."""
    graphs = [graph for graph in GRAPHS if graph.soc == soc]
    mean, worst = (0.15, 0.30) if soc == "rk3566" else (0.08, 0.17)
    for group in (fit_speeds.each, fit_speeds.family):
        errors = abs(fit_speeds.left_out(graphs, group) - 1)
        assert errors.mean() <= mean and errors.max() <= worst
    assert fit_speeds.covered(graphs) >= 11


def test_leaving_a_graph_out_leaves_all_of_its_family_out_where_that_is_asked():
    seg = [graph for graph in GRAPHS if graph.soc == "rk3562" and graph.family == "yolov8-seg"]
    assert [graph.model for graph in seg] == ["yolov8n-seg", "yolov8s-seg", "yolov8m-seg"]
    assert {graph.family for graph in GRAPHS} == {
        "yolov8", "yolov8-seg", "yolov8-pose", "yolov8-obb", "yolo11", "yolov10"
    }  # fmt: skip


def test_the_page_shows_what_the_script_prints(capsys: pytest.CaptureFixture):
    fit_speeds.main()
    errors, each, ours, _ = (part.splitlines() for part in capsys.readouterr().out.split("\n\n"))
    page = (ROOT / "docs" / "benchmarks.md").read_text("utf-8").splitlines()
    assert len(errors) == 2 + len(FITS) and len(each) == 2 + len(FIGURES)
    assert [line for line in errors + each if line not in page] == []
    shown = page[page.index(ours[0]) :]
    shown = shown[: shown.index("")]
    assert (
        len(shown) >= 2 + 5 and [line for line in shown if line not in ours] == []
    )  # it may show fewer than are known


# What is predicted


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: f"{graph.model}-{graph.soc}")
def test_a_published_speed_lies_in_its_interval(graph: Published):
    predicted = predict(graph.soc, "int8", graph.placement)
    assert predicted is not None and predicted.low <= graph.ms <= predicted.high


@pytest.mark.parametrize("soc", OURS)
def test_our_graph_takes_longer_than_the_vendors_which_decodes_nothing(soc: str):
    known = "rk3566" if soc == "rk3568" else soc
    [vendors] = [graph for graph in GRAPHS if (graph.model, graph.soc) == ("yolov8n", known)]
    ours = predict(soc, "int8", placed(soc))
    assert ours is not None and 1.0 < ours.ms / vendors.ms < 1.4


WORK = st.integers(1, 2**30)


@settings(deadline=None)
@given(
    soc=st.sampled_from([*FITS]),
    cycles=WORK,
    traffic=WORK,
    more=st.tuples(WORK, WORK),
    shape=st.lists(st.integers(1, 640), min_size=1, max_size=4),
    op=st.sampled_from(["Reshape", "exSoftmax13", "Transpose", "Exp"]),
)
def test_more_work_never_takes_less_time(soc, cycles, traffic, more, shape, op):
    fit, placement = FITS[soc], {"cpu": [], "cycles": cycles, "traffic_kb": traffic}
    left = {"op": op, "name": "x", "shape": f"({','.join(map(str, shape))})"}
    ms = fit.ms(Cost.of(placement))
    assert fit.ms(Cost.of(placement | {"cycles": cycles + more[0]})) > ms
    assert fit.ms(Cost.of(placement | {"traffic_kb": traffic + more[1]})) > ms
    assert fit.ms(Cost.of(placement | {"cpu": [left]})) > ms


@pytest.mark.parametrize(
    ("cpu", "values"),
    [
        ([], 0),
        ([("Reshape", "(1,84,8400)")], 0.7056),
        ([("exSoftmax13", "(2,400,1,400)")], 3 * 0.32),
        ([("Reshape", "(10)"), ("Softmax", "(10,10)")], 0.00031),
    ],
)
def test_what_the_cpu_goes_over(cpu, values):
    ops = [{"op": op, "name": "x", "shape": shape} for op, shape in cpu]
    assert Cost.of({"cpu": ops, "cycles": 2e6, "traffic_kb": 2048}) == Cost(2.0, 2.0, pytest.approx(values))


@pytest.mark.parametrize("soc", [soc for soc in SOCS if soc.startswith("rv")])
def test_nothing_is_predicted_where_nobody_published_speeds(soc: str):
    assert predict(soc, "int8", PLACEMENT) is None


@pytest.mark.parametrize(
    ("precision", "placement"),
    [
        ("fp16", PLACEMENT),
        ("int8", {}),
        ("int8", {"cpu": [], "cycles": 0, "traffic_kb": 0}),
        ("int8", {"cpu": [{"op": "Reshape", "shape": "9" * 199}], "cycles": 1, "traffic_kb": 1}),
    ],
    ids=["fp16", "no placement", "no work", "what nobody computes"],
)
def test_nothing_is_predicted_from_nothing(precision: str, placement: dict):
    assert predict("rk3566", precision, placement) is None


def test_rk3568_is_as_rk3566():
    assert predict("rk3568", "int8", placed("rk3566")) == predict("rk3566", "int8", placed("rk3566"))


@pytest.mark.parametrize(
    ("soc", "placement", "said"),
    [
        ("rk3566", placed("rk3566"), "rk3566 and rk3568 at the highest NPU clock"),
        ("rk3566", placed("rk3566", FLAT), "rk3566 and rk3568 at the highest NPU clock"),
        ("rk3588", placed("rk3588"), "rk3588 at the highest NPU clock"),
        ("rk3588", placed("rk3588", FLAT), "rk3588 at the highest NPU clock; operators on the CPU as on rk3566"),
        ("rk3562", PLACEMENT, "rk3562 at the highest NPU clock, all of larger graphs"),
        ("rk3562", PLACEMENT | {"cycles": 2e8}, "rk3562 at the highest NPU clock, all of smaller graphs"),
    ],
)
def test_the_basis_says_where_a_prediction_goes_beyond_what_is_known(soc, placement, said):
    predicted = predict(soc, "int8", placement)
    assert predicted is not None and predicted.basis == f"fitted to 13 speeds Rockchip publishes for {said}"


# Where it is shown


def test_inspect_shows_it_as_a_prediction(tmp_path: Path):
    path = make(tmp_path, "rk3566", "rv1106", placement=placed("rk3566")).path
    text = run("inspect", path, cwd=tmp_path).stdout
    [line] = [line for line in text.splitlines() if line.startswith("Predicted on ")]
    assert line.startswith("Predicted on rk3566: 36.2 ms a picture (31.7 to 41.4), 27.6 frames a second; one core,")
    artifacts = json.loads(run("inspect", path, "--json", cwd=tmp_path).stdout)["artifacts"]
    speed, none = (artifact["predicted"] for artifact in artifacts)
    assert none is None
    assert {**speed, "basis": ""} == {"ms": 36.2, "low": 31.67, "high": 41.37, "basis": ""}


def test_an_fp16_build_has_none(tmp_path: Path):
    bundle = make(tmp_path, precision="fp16", placement=placed("rk3566"))
    assert bundle.report()["artifacts"][0]["predicted"] is None
    assert predictions(bundle.artifacts) == []


def test_a_table_of_artifacts_has_lines_of_them_below(tmp_path: Path):
    bundle = make(tmp_path, "rk3588", "rv1106", placement=placed("rk3588"))
    [line] = predictions(bundle.artifacts)
    assert line.startswith("Predicted on rk3588: 18.2 ms a picture (15.5 to 21.3), 55.1 frames a second; one core,")


def test_of_a_fast_model_no_fractions_of_a_frame_are_said(tmp_path: Path):
    small = {"cycles": 100_000, "traffic_kb": 1200, "cpu": [FLAT | {"shape": "(1,9,189)"}]}
    bundle = make(tmp_path, "rk3588", placement=placed("rk3588") | small)
    [line] = predictions(bundle.artifacts)
    assert re.search(r" ms a picture \(.*\), \d{4} frames a second;", line) and "stay on the CPU" not in line


@pytest.mark.parametrize(
    ("layout", "cpu", "said"),
    [
        ("flat", [FLAT], " 11.0 ms of it are for operators that stay on the CPU; with --layout grid none does."),
        ("grid", [FLAT], " 11.0 ms of it are for operators that stay on the CPU."),
        ("flat", [FLAT, FLAT | {"op": "Softmax"}], " 44.0 ms of it are for operators that stay on the CPU."),
        ("flat", [FLAT | {"shape": "(1,84,100)"}], ""),
        ("flat", [], ""),
    ],
)
def test_what_stays_on_the_cpu_is_said_where_it_takes_long(tmp_path: Path, layout, cpu, said):
    bundle = make(tmp_path, "rk3566", placement=placed("rk3566", *cpu))
    [line] = predictions([replace(bundle.artifacts[0], layout=layout)])
    assert line.partition(" clock.")[2] == said


def test_a_card_has_a_table_of_them(tmp_path: Path):
    bundles = [
        make(tmp_path / "a", "rk3588", placement=placed("rk3588")),
        make(tmp_path / "b", "rv1106", placement=placed("rk3588")),
    ]
    card = make_card("me/x", bundles, None)
    table = card[card.index("## Predicted speed") :].split("##")[1]
    assert "| rk3588 | 18.2 | 15.5 to 21.3 | 55.1 | fitted to 13 speeds" in table and "rv1106" not in table
    assert "not measured on a board" in table
    assert "Predicted" not in make_card("me/x", bundles[1:], None)


def test_convert_shows_them_of_one_model_and_of_many(tmp_path: Path, capsys: pytest.CaptureFixture):
    bundle = make(tmp_path, "rk3566", "rk3588", "rv1106", placement=placed("rk3588"))
    one, other = Conversion("tiny", bundle, bundle.artifacts), Conversion("small", bundle, bundle.artifacts[2:])
    report(Output(False, False, False), [one])
    assert capsys.readouterr().out.count("Predicted on ") == 2
    report(Output(False, False, False), [one, other])
    lines = [line for line in capsys.readouterr().out.splitlines() if "redicted" in line]
    assert lines == ["Predicted ms a picture of tiny: rk3566 30.8 (27.0 to 35.2), rk3588 18.2 (15.5 to 21.3)"]
    report(Output(True, False, False), [one])
    speeds = [artifact["predicted"] for artifact in json.loads(capsys.readouterr().out)["artifacts"]]
    assert [speed and speed["ms"] for speed in speeds] == [30.81, 18.16, None]


def test_it_is_made_of_the_placement_and_stored_nowhere(tmp_path: Path):
    bundle = make(tmp_path, placement=placed("rk3566"))
    assert "predicted" not in bundle.metadata_text()
    slower = replace(bundle.artifacts[0], placement=placed("rk3566", FLAT))
    assert slower.predicted.ms == pytest.approx(bundle.artifacts[0].predicted.ms + 11.0, abs=0.01)


# What is known of the zoo before anything is built

NAMES = sorted(path.stem for path in (MODELS / "measured").glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_known_is_of_the_zoo_and_of_socs(name: str):
    known = [soc for soc in SOCS if find_measured(catalogue()[name], soc)]
    assert {"rk3566", "rk3568"} <= {*known}


def listed(*args: str, cwd: Path) -> str:
    """What ``list`` shows, on a terminal of 80 columns."""
    done = run("list", *args, cwd=cwd, env={**os.environ, "COLUMNS": "80", "E2ERKNN_WEIGHTS": ""})
    assert done.returncode == 0, done.stderr
    return " ".join(done.stdout.split())


def test_list_shows_what_is_known_of_a_soc(tmp_path: Path):
    """On rk3562 the two smallest of a family are."""
    shown = listed("yolo11?", "--soc", "rk3562", cwd=tmp_path)
    assert "predicted ms" in shown and "37.1 (32-43)" in shown
    assert "Predicted on rk3562: INT8, layout flat, one core, inference alone; fitted to 13 speeds" in shown
    assert "3 of 5 models are predicted once they are built: e2erknn convert yolo11m --soc rk3562" in shown
    rows = json.loads(listed("yolo11?", "--soc", "rk3562", "--json", cwd=tmp_path))
    predicted = {row["name"]: row["predicted"] for row in rows}
    assert predicted["yolo11n"].items() >= {"soc": "rk3562", "layout": "flat", "ms": 37.08}.items()
    assert [name for name in predicted if predicted[name]] == ["yolo11n", "yolo11s"]


def test_list_of_a_soc_nobody_published_for(tmp_path: Path):
    shown = listed("yolov8n", "--soc", "rv1106", cwd=tmp_path)
    assert "Nothing is predicted on rv1106: Rockchip publishes no speeds for it." in shown


def test_list_without_a_soc_predicts_nothing(tmp_path: Path):
    assert "redicted" not in listed("yolov8n", cwd=tmp_path)
    assert "predicted" not in json.loads(listed("yolov8n", "--json", cwd=tmp_path))[0]


def test_list_refuses_an_unknown_soc(tmp_path: Path):
    done = run("list", "--soc", "rk3567", cwd=tmp_path)
    assert done.returncode == 2 and "'rk3567' is not a known SoC" in done.stderr
