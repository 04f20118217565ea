"""Publishing to a Hub on this machine through the real client."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from bundles import SHAPES, SPEC, STANDIN, answer, cli, make
from huggingface_hub import ModelCard
from server import EXPIRED, READER, Hub

from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.hub.pull import fetch
from rknn_zoo_e2e.publishing import publish as publishing
from rknn_zoo_e2e.publishing.plan import Wishes, make_plan
from rknn_zoo_e2e.publishing.publish import publish

NO_DRAWING = Wishes(draw=False)


def put(bundle, repo="me/tiny", **wishes):
    return publish([bundle], repo, replace(NO_DRAWING, **wishes))[1]


def test_one_commit_holds_all_and_the_same_again_none(hub: Hub, tmp_path: Path):
    bundle = make(tmp_path)
    put(bundle)
    folder = "2.3.2/rk3566/int8"
    names = {"SHA256SUMS", "calibration-1.json", "labels.txt", "metadata.yaml", "model.onnx"}
    names |= {"tiny-rk3566-int8.rknn", "tiny-rk3566-int8.log"}
    assert set(hub.files("me/tiny")) == {".gitattributes", "README.md", *(f"{folder}/{name}" for name in names)}
    assert len(hub.repos["me/tiny"].commits) == 2  # the Hub's own first one, and ours
    with hub.unchanged("me/tiny"):
        assert put(bundle).commit is None


def test_another_soc_is_merged_in_one_commit(hub: Hub, tmp_path: Path):
    put(make(tmp_path / "a", "rk3566"))
    put(make(tmp_path / "b", "rk3588"))
    files, card = hub.files("me/tiny"), hub.files("me/tiny")["README.md"].decode()
    assert len(hub.repos["me/tiny"].commits) == 3
    assert {path.split("/")[1] for path in files if "/" in path} == {"rk3566", "rk3588"}
    assert "| rk3566 | int8 |" in card and "| rk3588 | int8 |" in card
    # The order does not matter: both at once give the same card.
    publish([make(tmp_path / "c", "rk3588"), make(tmp_path / "d", "rk3566")], "me/both", NO_DRAWING)
    assert hub.files("me/both")["README.md"].decode().replace("me/both", "me/tiny") == card


def test_two_publishers_at_the_same_time_lose_nothing(hub: Hub, tmp_path: Path, monkeypatch):
    """The second one commits between the first one's look and its commit."""
    put(make(tmp_path / "a", "rk3566"))
    apply, raced = publishing.apply, []

    def meanwhile(plan, on_stage):
        if not raced:
            raced.append(True)
            monkeypatch.setattr(publishing, "apply", apply)
            put(make(tmp_path / "c", "rk3576"))
        return apply(plan, on_stage)

    monkeypatch.setattr(publishing, "apply", meanwhile)
    put(make(tmp_path / "b", "rk3588"))
    card = hub.files("me/tiny")["README.md"].decode()
    assert all(f"| {soc} | int8 |" in card for soc in ("rk3566", "rk3576", "rk3588"))
    assert all(f"2.3.2/{soc}/int8/metadata.yaml" in hub.files("me/tiny") for soc in ("rk3566", "rk3576", "rk3588"))


def test_another_model_is_refused_or_replaces(hub: Hub, tmp_path: Path):
    put(make(tmp_path / "a", "rk3566", "rk3588"))
    other = make(tmp_path / "b", "rk3566", spec=replace(SPEC, imgsz=(32, 64)))
    with hub.unchanged("me/tiny"), pytest.raises(UserError, match=r"two models.*--replace"):
        put(other)
    put(other, replace=True)
    assert not [path for path in hub.files("me/tiny") if "rk3588" in path]
    with pytest.raises(UsageError, match="more than once"):
        publish([other, other], "me/twice", NO_DRAWING)


def test_private_branch_and_pull_request(hub: Hub, tmp_path: Path):
    put(make(tmp_path / "a"), private=True)
    assert hub.repos["me/tiny"].private
    main = dict(hub.files("me/tiny"))
    put(make(tmp_path / "b", "rk3588"), branch="new")
    assert hub.files("me/tiny") == main and any("rk3588" in path for path in hub.files("me/tiny", "new"))
    done = put(make(tmp_path / "c", "rk3576"), pull_request=True)
    assert hub.files("me/tiny") == main and done.url.endswith("/discussions/1")
    assert any("rk3576" in path for path in hub.files("me/tiny", "refs/pr/1"))


@pytest.mark.parametrize(
    ("route", "kind", "said"),
    [
        ("info", 500, r"has a problem \(HTTP 500\)"),
        ("preupload", 500, r"has a problem \(HTTP 500\)"),
        ("preupload", 429, "too many requests"),
        ("batch", 503, r"has a problem \(HTTP 503\)"),
        ("upload", 500, r"has a problem \(HTTP 500\)"),
        ("upload", "cut", "connection broke"),
        ("commit", "cut", "connection broke"),
        ("commit", 500, r"has a problem \(HTTP 500\)"),
        ("commit", 401, r"expired or was revoked.*hf auth login"),
        ("commit", 403, "may not write to me/tiny"),
        ("commit", 412, "keeps being changed"),
    ],
)
def test_a_fault_is_named_and_changes_nothing(hub: Hub, tmp_path: Path, route, kind, said):
    put(make(tmp_path / "a", "rk3566"))
    hub.fail(route, kind)
    with hub.unchanged("me/tiny"), pytest.raises(UserError, match=said):
        put(make(tmp_path / "b", "rk3588"))
    hub.faults.clear()
    assert put(make(tmp_path / "b", "rk3588")).commit


@pytest.mark.slow
def test_what_passes_is_waited_for(hub: Hub, tmp_path: Path):
    for route, kind in (("preupload", 429), ("upload", "cut"), ("batch", "slow")):
        hub.fail(route, kind, calls=1)
    assert put(make(tmp_path)).commit


@pytest.mark.slow
@pytest.mark.parametrize(
    ("token", "said"),
    [("", "no Hugging Face token"), (EXPIRED, "expired or was revoked"), (READER, "may not write|may not see")],
)
def test_the_token_is_told_of(hub: Hub, tmp_path: Path, monkeypatch, token, said):
    bundle = make(tmp_path)
    put(bundle)
    monkeypatch.setenv("HF_TOKEN", token)
    out = cli("publish", bundle.path, *(["--repo", "me/other"] if token else []), "--yes", "--no-draw", cwd=tmp_path)
    lines = [line for line in out.stderr.splitlines() if not line.startswith("[")]
    assert out.returncode == 1 and len(lines) == 2 and re.search(said, lines[0]), out.stderr
    assert set(hub.repos) == {"me/tiny"}


@pytest.mark.slow
def test_the_command_shows_asks_and_reports(hub: Hub, tmp_path: Path):
    bundle = make(tmp_path)
    dry = cli("publish", "--dry-run", cwd=tmp_path)
    assert dry.returncode == 0 and not hub.repos, dry.stderr
    assert "me/tiny_rknn_model (a new repo)" in dry.stdout and "license: agpl-3.0" in dry.stdout
    assert "2.3.2/rk3566/int8/tiny-rk3566-int8.rknn" in dry.stdout
    asked = cli("publish", "--repo", "me/tiny", cwd=tmp_path)
    assert asked.returncode == 2 and "--yes" in asked.stderr and not hub.repos
    out = cli("publish", bundle.path, "--repo", "me/tiny", "--yes", "--json", cwd=tmp_path)
    [document] = json.loads(out.stdout)["published"]
    assert document["commit"] == hub.repos["me/tiny"].refs["main"] and document["new"]
    again = cli("publish", "--repo", "me/tiny", "--yes", cwd=tmp_path)
    assert "nothing to do" in again.stdout
    assert cli("publish", "--repo", "tiny", cwd=tmp_path).returncode == 2


def test_a_damaged_bundle_is_not_published(hub: Hub, tmp_path: Path):
    bundle = make(tmp_path)
    (bundle.path / bundle.artifacts[0].file).write_bytes(b"other")
    with pytest.raises(UserError, match="checksum differs"):
        put(bundle)
    assert not hub.repos


def test_a_bundle_that_changes_meanwhile_is_not_published(hub: Hub, tmp_path: Path):
    """As by a convert while the user is asked: the repo's checksums would not fit its files."""
    for index, change in enumerate([lambda file: file.write_bytes(b"newer"), Path.unlink]):
        bundle = make(tmp_path / str(index))

        def agree(_: object, bundle=bundle, change=change) -> bool:
            change(bundle.path / bundle.artifacts[0].file)
            return True

        with pytest.raises(UserError, match="was changed while it was to be published"):
            publish([bundle], "me/tiny", NO_DRAWING, agree)
    assert not hub.repos


@pytest.mark.slow
def test_nothing_of_this_machine_is_published(hub: Hub, tmp_path: Path):
    home, token = tmp_path / "home" / "alice", "hf_writer"
    log = f"load {home}/models/a.pt\nD /model.22/Reshape by alice@board\nfrom /Users/bob/x and /home/carol/y\n{token}\n"
    bundle = make(home / "work", log=log)
    who = {"HOME": home, "USER": "alice", "LOGNAME": "alice"}
    out = cli("publish", bundle.path, "--repo", "me/tiny", "--yes", "--no-draw", cwd=home, **who)
    assert out.returncode == 0, out.stderr
    everything = b"\n".join(hub.files("me/tiny").values())
    for word in (str(tmp_path), "alice", "bob", "carol", token, "/home/", "/Users/"):
        assert word.encode() not in everything, word
    assert b"/model.22/Reshape" in everything
    bundle = make(home / "again", calib=f"{home}/c")
    out = cli("publish", bundle.path, "--repo", "me/second", "--yes", "--no-draw", cwd=home, **who)
    assert out.returncode == 1 and "holds a path of this machine" in out.stderr and "me/second" not in hub.repos


@pytest.mark.slow
def test_killed_at_any_moment_leaves_what_was_or_what_is_to_be(hub: Hub, tmp_path: Path):
    bundle = make(tmp_path, "rk3566", "rk3588")
    command = [sys.executable, "-m", "rknn_zoo_e2e", "publish", bundle.path, "--repo", "me/tiny", "--yes", "--no-draw"]
    hub.pause = 0.02
    start = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    whole = time.monotonic() - start
    moments, outcomes = random.Random(0), set()
    for _ in range(10):
        hub.repos.clear()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(moments.uniform(0.4, 1.05) * whole)
        process.kill()
        process.wait()
        hub.pause = 0.0
        for soc in ("rk3566", "rk3588"):
            try:
                fetched = fetch("me/tiny", soc=soc)
                assert all((fetched.path / name).is_file() for name in fetched.files)
                outcomes.add("whole")
            except UserError as error:
                assert re.search("no repo|no bundle", error.what), error
                outcomes.add("nothing")
        repo = hub.repos.get("me/tiny")
        assert repo is None or len(repo.commits) <= 2
        hub.pause = 0.02
    assert "nothing" in outcomes


def test_the_card_is_valid(hub: Hub, tmp_path: Path):
    measured = [{"backend": "simulator", "data": "coco8", "images": 4, "metrics": {"box": {"map50": 0.5, "map": 0.4}}}]
    bundle = make(
        tmp_path, evaluations=measured, spec=replace(SPEC, name="shapes", names=tuple("abcde")), weights=SHAPES
    )
    put(bundle, repo="me/shapes")
    path = tmp_path / "README.md"
    path.write_bytes(hub.files("me/shapes")["README.md"])
    card = ModelCard.load(path)
    card.validate()
    assert card.data.license == "agpl-3.0" and card.data.pipeline_tag == "object-detection"
    assert card.data.library_name == "ultralytics" and {"rknn", "rockchip", "rk3566", "int8"} <= set(card.data.tags)
    assert bundle.artifacts[0].sha256 in card.text and "| rk3566 int8 | coco8 | 4 | box | 50.0 | 40.0 |" in card.text
    assert "simulator" in card.text and "starter model" in card.text
    named = make(
        tmp_path / "n",
        spec=replace(SPEC, name="yolo11n-seg", task="segment", masks=4, names=("a",) * 80),
        zoo="yolo11n-seg",
    )
    front = make_plan([named], "me/n", NO_DRAWING, lambda stage, share: None).card.split("---\n")[1]
    data = yaml.safe_load(front)
    assert data["base_model"] == "Ultralytics/YOLO11" and data["base_model_relation"] == "quantized"
    assert data["pipeline_tag"] == "image-segmentation"


@pytest.mark.slow
def test_the_cards_snippet_runs(hub: Hub, tmp_path: Path, models: Path):
    """As it stands in the card, on a board."""
    put(make(tmp_path))
    [snippet] = re.findall(r"```python\n(.*?)```", hub.files("me/tiny")["README.md"].decode(), re.DOTALL)
    assert len(snippet.splitlines()) <= 10
    (tmp_path / "image.jpg").write_bytes((models / "sample.jpg").read_bytes())
    np.savez(tmp_path / "t.npz", **{"any-0": answer()})
    (tmp_path / "board.py").write_text(
        "from rknn_zoo_e2e.boards import probe\nprobe.board_soc = lambda *_: 'rk3566'\n" + snippet
    )
    names = {"PYTHONPATH": f"{STANDIN}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    names["RKNNLITE_STANDIN_TENSORS"] = str(tmp_path / "t.npz")
    command = [sys.executable, tmp_path / "board.py"]
    out = subprocess.run(command, cwd=tmp_path, env=os.environ | names, capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    assert re.match(r"a 0\.90 at \(\d+, \d+\) to \(\d+, \d+\)\n1 objects in", out.stdout), out.stdout


@pytest.mark.slow
def test_the_sample_is_drawn_once(hub: Hub, converted: Path):
    bundle = read_bundle(converted / "shapes_rknn_model")
    publish([bundle], "me/shapes")
    [sample] = [path for path in hub.files("me/shapes") if path.startswith("sample-")]
    assert sample == "sample-rk3566-int8-simulator.jpg" and sample in hub.files("me/shapes")["README.md"].decode()
    with hub.unchanged("me/shapes"):
        assert publish([bundle], "me/shapes")[1].commit is None
