"""Layout is a fact of each artifact: one bundle may hold several, and so may one repo."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.bundle import made
from support.cli import run

from rknn_zoo_e2e.boards.soc import SOCS, find_soc
from rknn_zoo_e2e.bundle.model import Artifact, Bundle, layouts_of
from rknn_zoo_e2e.bundle.reader import graph_of, read_bundle
from rknn_zoo_e2e.cli.ui.tables import artifact_table
from rknn_zoo_e2e.conversion.options import Options
from rknn_zoo_e2e.conversion.prepare_worker import export
from rknn_zoo_e2e.conversion.request import Request
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.progress import silent
from rknn_zoo_e2e.ultralytics import single
from rknn_zoo_e2e.zoo import Source, resolve

FLAT = ("rk3562", "rk3566", "rk3568", "rk3576", "rk3588")
GRID = ("rv1103", "rv1103b", "rv1106", "rv1106b", "rv1126b")


@pytest.mark.parametrize("soc", SOCS)
@pytest.mark.parametrize(("asked", "of_rk", "of_rv"), [(None, "flat", "grid"), ("flat",) * 3, ("grid",) * 3])
def test_the_default_is_grid_on_rv_and_flat_elsewhere_and_what_is_asked_for_is_for_all(soc, asked, of_rk, of_rv):
    assert {*FLAT, *GRID} == SOCS.keys()
    assert Options.of(soc, layout=asked).layout_of(SOCS[soc]) == (of_rv if soc in GRID else of_rk)


# What a bundle holds, of which weights, and the layout of its model.onnx; what is asked for now; what that is then.
GRAPHS = [
    (None, "rk3566", None, "flat"),
    (None, "rv1106", None, "grid"),
    (None, "rv1106,rv1103", None, "grid"),
    (None, "rv1106,rk3566", None, "flat"),
    (None, "rv1106,rk3566", "grid", "grid"),
    (("rk3566", "a", "flat"), "rv1106", None, "flat"),  # rk3566's artifact stays, which was made with it
    (("rk3566", "a", "flat"), "rv1106", "grid", "flat"),
    (("rv1106", "a", "grid"), "rk3566", None, "grid"),
    (("rk3566", "a", "flat"), "rk3566", "grid", "grid"),  # nothing stays
    (("rk3566", "b", "flat"), "rv1106", None, "grid"),  # of other weights: refused, or replaced
]


@pytest.mark.parametrize(("held", "socs", "layout", "expected"), GRAPHS)
def test_the_common_graph_keeps_its_layout_while_something_needs_it(tmp_path: Path, held, socs, layout, expected):
    request = Request(Source(tmp_path, "x"), Options.of(socs, layout=layout), None, "", "a" * 64, tmp_path)
    bundle = None
    if held:
        soc, weights, graphs = held
        bundle = made(tmp_path)
        bundle.weights_sha256, bundle.onnx_layout = weights * 64, graphs
        bundle.artifacts = [replace(bundle.artifacts[0], soc=soc)]
    assert request.graph_layout(bundle) == expected


@pytest.mark.slow
def test_a_graph_of_each_layout_is_exported_and_no_more(tmp_path: Path):
    from rknn_zoo_e2e.runtime.onnx import OnnxRuntime

    source, socs = resolve("shapes"), tuple(map(find_soc, ("rk3588", "rv1126b")))  # alike but for the layout
    both = export(silent, source, Options(socs), "flat", tmp_path)
    assert (both.layout, both.of("rk3588")) == ("flat", both.main)
    assert re.fullmatch(r"model-grid-[0-9a-f]{8}\.onnx", both.of("rv1126b").name) and len(both.files) == 2
    rgb = np.random.default_rng(0).integers(0, 256, (320, 320, 3), np.uint8)
    [flat], [grid] = (OnnxRuntime(both.of(soc.name)).infer(rgb) for soc in socs)
    assert flat.shape == (1, 9, 2100) and grid.shape == (1, 9, 21, 100)
    np.testing.assert_allclose(grid.reshape(flat.shape), flat, atol=1e-5)
    (tmp_path / "alone").mkdir()
    alone = export(silent, source, Options(socs[1:]), "grid", tmp_path / "alone")
    assert alone.of("rv1126b") == alone.main and len(alone.files) == 1


def mixed(folder: Path) -> Bundle:
    """A bundle of two layouts on disk."""
    from rknn_zoo_e2e.bundle.writer import write_bundle

    bundle = made(folder)
    bundle.artifacts.append(Artifact("rv1106", "int8", "y.rknn", "c" * 64, 1, "2.3.2", "f", "grid", ["names"]))
    write_bundle(bundle, {"y.rknn": b"y"})
    return bundle


def test_a_bundle_keeps_each_artifacts_layout(tmp_path: Path):
    bundle = mixed(tmp_path)
    again = read_bundle(bundle.path)
    assert again == bundle and layouts_of(again.artifacts) == {"flat": ["rk3566"], "grid": ["rv1106"]}
    assert [a.left_out for a in again.artifacts] == [None, ["names"]]
    assert artifact_table(again, again.artifacts).title == "x: detect, 64 x 96 px, flat (rk3566), grid (rv1106)"
    assert artifact_table(again, again.artifacts[1:]).title == "x: detect, 64 x 96 px, grid"


def test_ultralytics_takes_the_flat_ones_of_it(tmp_path: Path, monkeypatch):
    bundle = mixed(tmp_path)
    assert [a.soc for a in read_bundle(single(bundle.path, "rk3566", out=tmp_path / "one")).artifacts] == ["rk3566"]
    with pytest.raises(UserError, match=r"y\.rknn has layout grid.*--soc rv1106 --layout flat"):
        single(bundle.path, "rv1106")


# ---- through the command, with the vendor's toolkit ----


@pytest.fixture(scope="module")
def converted_mixed(tmp_path_factory) -> tuple[Bundle, list[dict]]:
    """shapes-pose for two chips with their own layouts, and the artifacts in convert's document."""
    folder = tmp_path_factory.mktemp("mixed")
    out = run("convert", "shapes-pose", "--soc", "rk3566,rv1106", "--calib-images", 8, "--json", cwd=folder)
    assert out.returncode == 0, out.stderr
    return read_bundle(folder / "shapes-pose_rknn_model"), json.loads(out.stdout)["artifacts"]


def said_by(path: Path) -> dict:
    """The custom string in a ``.rknn``."""
    [text] = re.findall(rb'\{"soc":[\x20-\x7e]*\}', path.read_bytes())
    return json.loads(text)


@pytest.mark.slow
def test_two_chips_of_one_bundle_have_their_own_layouts(converted_mixed):
    import onnx

    bundle, documents = converted_mixed
    assert [(a.soc, a.layout, a.left_out) for a in bundle.artifacts] == [("rk3566", "flat", []), ("rv1106", "grid", [])]
    assert [d["layout"] for d in documents] == ["flat", "grid"] and bundle.onnx_layout == "flat"
    ranks = []
    for artifact in bundle.artifacts:
        graph = onnx.load(str(graph_of(bundle, artifact))).graph
        ranks.append(len(graph.output[0].type.tensor_type.shape.dim))
        said = said_by(bundle.path / artifact.file)
        assert (said["soc"], said["layout"]) == (artifact.soc, artifact.layout)
        assert said["skeleton"] == [[*pair] for pair in bundle.spec.skeleton] and said["names"] == "figure"
        assert artifact.parity["passed"]
    assert ranks == [3, 4]
    assert [x["op"] for x in bundle.artifacts[0].placement["cpu"]] == ["Reshape"]
    assert bundle.artifacts[1].placement["cpu"] == []


@pytest.mark.slow
@pytest.mark.parametrize("soc", ["rk3566", "rv1106"])
def test_either_finds_in_the_simulator_what_fp32_finds(converted_mixed, models: Path, tmp_path: Path, soc):
    found = []
    for args in (("--backend", "onnx"), ("--backend", "simulator", "--soc", soc)):
        words = ("demo", models / "sample-pose.jpg", "--model", converted_mixed[0].path, "--json", *args)
        out = run(*words, cwd=tmp_path)
        assert out.returncode == 0, out.stderr
        found.append(sorted(json.loads(out.stdout)["images"][0]["detections"], key=lambda d: d["box"]))
    fp32, int8 = found
    assert len(fp32) == len(int8) > 3
    for one, two in zip(fp32, int8, strict=True):
        for key in ("box", "keypoints"):
            assert np.abs(np.subtract(one[key], two[key])).max() < 8


@pytest.mark.slow
def test_inspect_tells_each_ones_layout(converted_mixed):
    bundle, _ = converted_mixed
    document = json.loads(run("inspect", bundle.path, "--json", cwd=bundle.path.parent).stdout)
    assert [a["layout"] for a in document["artifacts"]] == ["flat", "grid"] and document["onnx_layout"] == "flat"
    assert "flat (rk3566), grid (rv1106)" in run("inspect", bundle.path, cwd=bundle.path.parent).stdout


@pytest.mark.slow
def test_one_more_joins_in_another_layout_and_both_are_kept(converted_mixed, tmp_path: Path):
    bundle = read_bundle(Path(shutil.copytree(converted_mixed[0].path, tmp_path / converted_mixed[0].path.name)))
    folder, args = tmp_path, ("--calib-images", 8, "--json")
    again = run("convert", "shapes-pose", "--soc", "rk3566,rv1106", *args, cwd=folder)
    assert json.loads(again.stdout)["reused"] == [a.file for a in bundle.artifacts]
    out = run("convert", "shapes-pose", "--soc", "rk3588", "--layout", "grid", "--no-verify", *args, cwd=folder)
    assert out.returncode == 0, out.stderr
    held = read_bundle(bundle.path)
    assert held.artifacts[:2] == bundle.artifacts and held.onnx_sha256 == bundle.onnx_sha256
    assert held.artifacts[2].layout == "grid" and held.artifacts[2].graph.startswith("model-grid-")
    assert said_by(bundle.path / held.artifacts[2].file)["layout"] == "grid"


# ---- bundles of format 3, which had one layout ----

FORMAT_3 = Path(__file__).parent / "format3"  # written by the last release of that format; the large files are short


def test_a_bundle_of_format_3_is_read(tmp_path: Path):
    bundle = read_bundle(FORMAT_3)
    assert bundle.onnx_layout == "flat" and [a.layout for a in bundle.artifacts] == ["flat", "flat"]
    assert [a.left_out for a in bundle.artifacts] == [None, None] and "layout" not in bundle.origin
    assert bundle.artifacts[0].parity["passed"] and graph_of(bundle, bundle.artifacts[1]).name.startswith("model-int")
    out = run("inspect", FORMAT_3, "--json", cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    assert [a["layout"] for a in json.loads(out.stdout)["artifacts"]] == ["flat", "flat"]


def test_a_bundle_of_format_3_is_written_as_the_present_one(tmp_path: Path):
    from rknn_zoo_e2e.bundle.writer import write_bundle

    bundle = read_bundle(FORMAT_3)
    bundle.path = tmp_path / "x_rknn_model"
    write_bundle(bundle, {name: FORMAT_3 / name for name in bundle.checksums})
    assert read_bundle(bundle.path) == bundle
    assert "format_version: 4\n" in (bundle.path / "metadata.yaml").read_text()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("layout: flat", "layout: round", r"damaged \(layout is 'round'"),
        ("layout: flat\n", "", "layout is None"),
        ("layout: flat", "layout: [flat]", "layout is a list"),
        ("format_version: 3", "format_version: 2", "format 2; this e2erknn reads 3 and 4"),
        ("format_version: 3", "format_version: [3]", "has bundle format a list"),
        ("format_version: 3", "format_version: 4", "artifacts.0..layout is missing|onnx_layout is missing"),
        ("toolkit: 2.3.2", "toolkit: /bin", "toolkit is '/bin'"),
        ("  graph: ''", "  run: x\n  graph: ''", "unknown key 'run'"),
    ],
)
def test_a_damaged_one_of_format_3_is_refused_as_any_other(tmp_path: Path, old, new, said):
    text = (FORMAT_3 / "metadata.yaml").read_text()
    assert old in text
    (tmp_path / "metadata.yaml").write_text(text.replace(old, new))
    with pytest.raises(UserError, match=said):
        read_bundle(tmp_path)
