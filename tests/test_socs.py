"""Names of SoCs: those e2erknn builds for, other names of the same NPU, and others that are named for what they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.board import SPEC, make_bundle
from support.cli import run

from rknn_zoo_e2e import convert, load
from rknn_zoo_e2e.boards.probe import board_soc
from rknn_zoo_e2e.boards.soc import KNOWN_OTHERS, SAME_NPU, SOCS, find_soc
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.ultralytics import single

OTHER_NAMES = [
    ("rk3588s", "rk3588"), ("RK3588S2", "rk3588"), ("rk3588j", "rk3588"), ("rk3588M", "rk3588"), ("rk3582", "rk3588"),
    ("rk3576s", "rk3576"), ("rk3568b2", "rk3568"), ("rk3568j", "rk3568"), ("rk3566t", "rk3566"), ("rk3562j", "rk3562"),
    ("rv1106g2", "rv1106"), ("RV1106G3", "rv1106"), ("rv1103g", "rv1103"), ("rv1126bp", "rv1126b"),
]  # fmt: skip


@pytest.mark.parametrize("name", SOCS)
def test_a_soc_goes_by_its_name(name):
    said: list[str] = []
    assert find_soc(name, said.append) is find_soc(f" {name.upper()} ", said.append) is SOCS[name]
    assert said == []


@pytest.mark.parametrize(("name", "soc"), OTHER_NAMES)
def test_a_soc_goes_by_other_names_and_that_is_said(tmp_path: Path, name, soc):
    said: list[str] = []
    assert find_soc(name, said.append) is SOCS[soc]
    assert said == [f"{name.lower()} has the NPU of {soc}: files for {soc} run on it."]
    compatible = tmp_path / "proc/device-tree/compatible"
    compatible.parent.mkdir(parents=True)
    for names in (f"vendor,board\0rockchip,{name.lower()}\0", f"rockchip,{name.lower()}-evb1-v10\0"):
        compatible.write_text(names)
        assert board_soc(tmp_path) == soc  # a board is known by the same table


OTHERS = [
    *((name, "first rknn-toolkit", "toolkit 1.7") for name in ("rk1806", "RK1808", "rk3399pro", "rv1109", "rv1126")),
    *((name, "RKNN3 toolkit", "RKNN3") for name in ("rk1820", "rk1828", "rk3572")),
    *((name, "has no NPU", "--backend onnx") for name in ("rk3399", "rk3328", "rk3528", "px30")),
    ("rk3583", "two of the three NPU cores of rk3588", "--soc rk3588, then --cores 2"),
    ("rk9999", "is not a known SoC", "rk3562, rk3566"),
    ("rk3566a", "is not a known SoC", "rk3562, rk3566"),
    ("3566", "is not a known SoC", "Did you mean rk3566?"),
    ("rk-3588", "is not a known SoC", "Did you mean rk3588?"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "what", "fix"), OTHERS)
def test_other_socs_are_named_for_what_they_are(tmp_path: Path, name, what, fix):
    for call in (
        lambda: find_soc(name),
        lambda: convert("shapes", [name]),
        lambda: load(tmp_path, soc=name or "x"),
        lambda: single(make_bundle(tmp_path, SPEC, "rk3566", "rk3588"), soc=name or "x"),
    ):
        with pytest.raises(UsageError, match=what) as caught:
            call()
        assert fix in caught.value.fix
    compatible = tmp_path / "proc/device-tree/compatible"
    compatible.parent.mkdir(parents=True)
    compatible.write_text(f"rockchip,{name.lower()}\0")
    assert board_soc(tmp_path) is None


def test_no_name_is_no_soc():
    with pytest.raises(UsageError, match="is not a known SoC"):
        find_soc("")
    for given in ("", [""], [" , "], []):
        with pytest.raises(UsageError, match="No SoC was named"):
            convert("shapes", given)


def test_the_tables_do_not_meet():
    assert not set(SAME_NPU) & set(SOCS) and not set(KNOWN_OTHERS) & (set(SOCS) | set(SAME_NPU))
    assert set(SAME_NPU.values()) <= set(SOCS)
    assert all(name == name.lower() for name in (*SAME_NPU, *KNOWN_OTHERS))


def test_an_artifact_goes_by_other_names_of_its_soc(tmp_path: Path):
    bundle = make_bundle(tmp_path, SPEC, "rk3566", "rk3588")
    assert single(bundle, soc="RK3588S").name.startswith("tiny-rk3588-int8")
    with pytest.raises(UserError, match="holds no artifact for rk3576"):
        single(bundle, soc="rk3576j")


@pytest.mark.slow
def test_the_command_line_says_it_once(tmp_path: Path):
    out = run("convert", "shapes", "--soc", "RK3588S", "--soc", "rk3588", "--imgsz", "600", cwd=tmp_path)
    assert out.returncode == 2 and "--imgsz 608" in out.stderr
    assert out.stderr.count("rk3588s has the NPU of rk3588: files for rk3588 run on it.") == 1
    for command in (["demo", "x.jpg"], ["bench"], ["eval", "shapes", "--data", "x.yaml"], ["pull", "me/x"]):
        out = run(*command, "--soc", "rk1808", cwd=tmp_path)
        assert out.returncode == 2 and "first rknn-toolkit" in out.stderr, out.stderr
