"""Pulling from a Hub on this machine through the real client."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from bundles import cli, make
from huggingface_hub import HfApi
from packaging.version import Version
from server import Blob, Hub

from rknn_zoo_e2e import load
from rknn_zoo_e2e.boards import probe
from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.files.lock import locked
from rknn_zoo_e2e.hub.layout import digest
from rknn_zoo_e2e.hub.pull import fetch, pull
from rknn_zoo_e2e.publishing.plan import Wishes
from rknn_zoo_e2e.publishing.publish import publish
from rknn_zoo_e2e.runtime.loading import find_bundle
from rknn_zoo_e2e.tasks.spec import ModelSpec

PLACE = "2.3.2/rk3566/int8"


@pytest.fixture
def published(hub: Hub, tmp_path: Path) -> Hub:
    """me/tiny for rk3566 and rk3588."""
    publish([make(tmp_path / "made", "rk3566", "rk3588")], "me/tiny", Wishes(draw=False))
    hub.requests.clear()
    return hub


def alter(hub: Hub, path: str, content: bytes) -> None:
    """Somebody else's commit: a file gets another content."""
    repo = hub.repos["me/tiny"]
    repo.commit("main", repo.commits[repo.refs["main"]] | {path: Blob(content, False)})


def forge(hub: Hub, metadata: bytes) -> None:
    """Other metadata, and a checksum that agrees with it."""
    alter(hub, f"{PLACE}/metadata.yaml", metadata)
    alter(hub, f"{PLACE}/SHA256SUMS", f"{digest(metadata)}  metadata.yaml\n".encode())


def test_only_what_the_soc_needs_comes(published: Hub, tmp_path: Path):
    bundle = fetch("me/tiny", soc="rk3566")
    path, written = pull(bundle, tmp_path / "board")
    assert written and not pull(bundle, tmp_path / "board")[1]
    assert [a.soc for a in read_bundle(path).artifacts] == ["rk3566"]
    assert {p.name for p in path.iterdir()} == set(bundle.files) and not any(p.is_symlink() for p in path.iterdir())
    others = [p for p in published.downloaded if "rk3588" in p]
    assert {Path(p).name for p in others} == {"metadata.yaml", "SHA256SUMS"}
    assert path.name == "tiny_rknn_model"


@pytest.mark.slow
def test_a_board_gets_only_what_it_runs(published: Hub, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(probe, "board_soc", lambda *_: "rk3566")
    path, _ = pull(fetch("me/tiny"), tmp_path / "board")
    assert {p.name for p in path.iterdir()} == {"metadata.yaml", "labels.txt", "tiny-rk3566-int8.rknn"}
    assert not any("onnx" in p or p.endswith(".log") for p in published.downloaded)
    assert "tiny-rk3566-int8.rknn" in cli("inspect", path, cwd=tmp_path, board="rk3566").stdout
    out = cli("inspect", path, cwd=tmp_path)
    assert out.returncode == 1 and "model.onnx is missing" in out.stderr


def test_a_board_with_frigate_gets_its_stanza_for_this_chip(hub: Hub, tmp_path: Path, monkeypatch):
    spec = ModelSpec("tiny", "detect", ("a", "b"), (320, 320), contract="frigate")
    publish([make(tmp_path / "made", "rk3566", "rk3588", spec=spec)], "me/tiny", Wishes(draw=False))
    monkeypatch.setattr(probe, "board_soc", lambda *_: "rk3588")
    path, _ = pull(fetch("me/tiny"), tmp_path / "board")
    stanza = yaml.safe_load((path / "frigate.yml").read_text())
    assert stanza["detectors"]["rknn"]["num_cores"] == 3
    assert (path / Path(stanza["model"]["path"]).name).is_file() and (path / "labelmap.txt").is_file()


WHOLE = {
    "metadata.yaml",
    "labels.txt",
    "model.onnx",
    "calibration-1.json",
    "tiny-rk3566-int8.rknn",
    "tiny-rk3566-int8.log",
}


@pytest.mark.parametrize(
    ("board", "backend", "whole"),
    [
        ("rk3566", "auto", False),
        ("rk3566", "board", False),
        ("rk3566", "onnx", True),
        ("rk3566", "simulator", True),
        (None, "auto", True),
        (None, "onnx", True),
        (None, "simulator", True),
    ],
)
def test_a_backend_finds_what_it_needs_of_a_repo(published: Hub, monkeypatch, board, backend, whole):
    monkeypatch.setattr(probe, "board_soc", lambda *_: board)
    folder = find_bundle("hf:me/tiny", "rk3566", backend=backend)
    there = {path.name for path in folder.iterdir()} - {"SHA256SUMS"}
    assert there == (WHOLE if whole else {"metadata.yaml", "labels.txt", "tiny-rk3566-int8.rknn"})


@pytest.mark.slow
def test_onnx_on_a_board_of_a_repo(hub: Hub, converted: Path, tmp_path: Path, models: Path):
    """The very model, from the repo and from what the board had pulled before."""
    publish([read_bundle(converted / "shapes_rknn_model")], "me/shapes", Wishes(draw=False))
    arguments = ("demo", models / "sample.jpg", "--backend", "onnx", "--json", "--model")
    out = cli(*arguments, "hf:me/shapes", cwd=tmp_path, board="rk3566")
    assert out.returncode == 0, out.stderr
    document = json.loads(out.stdout)
    assert document["backend"] == "onnx" and document["images"][0]["detections"]

    assert cli("pull", "me/shapes", cwd=tmp_path, board="rk3566").returncode == 0
    out = cli(*arguments, "shapes_rknn_model", cwd=tmp_path, board="rk3566")
    assert out.returncode == 1 and "model.onnx is missing" in out.stderr
    assert "e2erknn pull OWNER/NAME --whole" in out.stderr  # which then works:
    out = cli("pull", "me/shapes", "--whole", "--json", cwd=tmp_path, board="rk3566")
    assert out.returncode == 0 and json.loads(out.stdout)["written"], out.stderr
    out = cli(*arguments, "shapes_rknn_model", cwd=tmp_path, board="rk3566")
    assert json.loads(out.stdout)["images"][0]["detections"] == document["images"][0]["detections"]


def test_a_part_is_made_whole_and_nothing_of_it_goes(published: Hub, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(probe, "board_soc", lambda *_: "rk3566")
    path, _ = pull(fetch("me/tiny"), tmp_path)
    assert pull(fetch("me/tiny", whole=True), tmp_path, whole=True) == (path, True)
    assert {file.name for file in path.iterdir()} == WHOLE
    assert pull(fetch("me/tiny"), tmp_path) == (path, False)
    (path / "tiny-rk3566-int8.rknn").unlink()
    assert pull(fetch("me/tiny"), tmp_path) == (path, True) and {file.name for file in path.iterdir()} == WHOLE


@pytest.mark.parametrize("own", ["notes.txt", "tiny-rk3566-int8.log"])
def test_a_part_with_something_of_ones_own_stays(published: Hub, tmp_path: Path, monkeypatch, own):
    monkeypatch.setattr(probe, "board_soc", lambda *_: "rk3566")
    path, _ = pull(fetch("me/tiny"), tmp_path)
    (path / own).write_text("mine")
    with pytest.raises(UserError, match="holds something else"):
        pull(fetch("me/tiny", whole=True), tmp_path, whole=True)
    assert (path / own).read_text() == "mine" and len(list(path.iterdir())) == 4


@pytest.mark.slow
def test_what_came_while_it_waited_is_not_overwritten(published: Hub, tmp_path: Path):
    """Another process makes a bundle of that name, for which this one waits."""
    bundle, errors = fetch("me/tiny", soc="rk3566"), []

    def wait() -> None:
        try:
            pull(bundle, tmp_path / "board")
        except UserError as error:
            errors.append(error)

    thread = threading.Thread(target=wait)
    with locked(tmp_path / "board" / "tiny_rknn_model", "convert", print):
        thread.start()
        time.sleep(0.5)
        other = make(tmp_path / "board", "rk3588")
    thread.join(30)
    assert "holds something else" in errors[0].what and read_bundle(other.path) == other


def test_the_same_in_a_folder_that_cannot_be_written(published: Hub, tmp_path: Path, monkeypatch):
    bundle = fetch("me/tiny", soc="rk3566")
    path, _ = pull(bundle, tmp_path / "board")
    monkeypatch.setattr("rknn_zoo_e2e.hub.pull.locked", lambda *_: pytest.fail("nothing is to be written"))
    assert pull(bundle, tmp_path / "board") == (path, False)


def test_which_build_is_taken(published: Hub, tmp_path: Path, monkeypatch):
    with pytest.raises(UsageError, match=r"holds rk3566 int8, rk3588 int8\. Say which.*--soc rk3566"):
        fetch("me/tiny")
    with pytest.raises(UserError, match="nothing for rk3576"):
        fetch("me/tiny", soc="rk3576")
    monkeypatch.setattr(probe, "board_soc", lambda *_: "rk3568")  # runs rk3566's files
    assert fetch("me/tiny").artifacts[0].soc == "rk3566"
    publish([make(tmp_path / "fp16", "rk3566", precision="fp16")], "me/tiny", Wishes(draw=False))
    publish([make(tmp_path / "new", "rk3566", toolkit="2.10.0")], "me/tiny", Wishes(draw=False))
    assert fetch("me/tiny").artifacts[0].toolkit == "2.10.0"
    assert fetch("me/tiny", precision="fp16").artifacts[0].precision == "fp16"
    monkeypatch.setattr("rknn_zoo_e2e.hub.pull.runtime_version", lambda: Version("2.3.2"))
    assert fetch("me/tiny").artifacts[0].toolkit == "2.3.2"


def test_something_else_in_its_place_stays(published: Hub, tmp_path: Path):
    other = make(tmp_path / "board", "rk3588")
    with pytest.raises(UserError, match="--overwrite"):
        pull(fetch("me/tiny", soc="rk3566"), tmp_path / "board")
    assert read_bundle(other.path) == other
    pull(fetch("me/tiny", soc="rk3566"), tmp_path / "board", overwrite=True)
    assert [a.soc for a in read_bundle(other.path).artifacts] == ["rk3566"]


@pytest.mark.slow
def test_a_model_can_be_a_repo(published: Hub, tmp_path: Path, models: Path):
    """Fetched by itself, then from the cache, with no Hub at all."""
    arguments = ("demo", models / "sample.jpg", "--model", "hf:me/tiny", "--json")
    first = cli(*arguments, cwd=tmp_path, board="rk3566")
    assert first.returncode == 0, first.stderr
    document = json.loads(first.stdout)
    assert document["backend"] == "board" and document["images"][0]["detections"][0]["label"] == "a"
    for without in ({"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}):
        again = cli(*arguments, cwd=tmp_path, board="rk3566", **without)
        assert again.returncode == 0, again.stderr
        assert json.loads(again.stdout)["images"][0]["detections"] == document["images"][0]["detections"]
    commit = published.repos["me/tiny"].refs["main"]
    assert cli(*arguments[:3], f"hf:me/tiny@{commit}", cwd=tmp_path, board="rk3566").returncode == 0
    out = cli(*arguments, cwd=tmp_path, board="rk3566", HF_HUB_OFFLINE=1, HF_HOME=tmp_path / "empty")
    assert out.returncode == 1 and "HF_HUB_OFFLINE is set" in out.stderr


@pytest.mark.parametrize(
    ("route", "kind", "said"),
    [
        ("info", 500, r"HTTP 500"),
        ("tree", 429, "too many requests"),
        ("resolve", 500, "HTTP 500"),
        ("cdn", 500, "HTTP 500"),
        ("cdn", "cut", "connection broke|incomplete"),
        ("cdn", "altered", "checksum differs"),
        ("resolve", "altered", "checksum differs"),
        ("info", 401, "expired or was revoked"),
    ],
)
def test_a_fault_is_named_and_leaves_nothing(published: Hub, tmp_path: Path, route, kind, said):
    published.fail(route, kind)
    with pytest.raises(UserError, match=said):
        pull(fetch("me/tiny", soc="rk3566"), tmp_path / "board")
    assert not (tmp_path / "board").exists()
    published.faults.clear()
    assert pull(fetch("me/tiny", soc="rk3566"), tmp_path / "board")[1]


def test_a_broken_download_goes_on_where_it_stopped(published: Hub, tmp_path: Path):
    published.fail("cdn", "cut", calls=2)
    assert fetch("me/tiny", soc="rk3566")
    before = len(published.downloaded)
    fetch("me/tiny", soc="rk3566")
    assert len(published.downloaded) == before  # all from the cache


def test_a_damaged_cache_is_mended(published: Hub):
    bundle = fetch("me/tiny", soc="rk3566")
    file = bundle.path / bundle.artifacts[0].file
    file.resolve().write_bytes(b"damaged")
    assert fetch("me/tiny", soc="rk3566") and file.stat().st_size == bundle.artifacts[0].bytes


def test_a_tampered_file_is_refused(published: Hub, tmp_path: Path):
    alter(published, f"{PLACE}/tiny-rk3566-int8.rknn", b"evil")
    with pytest.raises(UserError, match=rf"{PLACE}/tiny-rk3566-int8.rknn is not the file that was published"):
        load("hf:me/tiny", soc="rk3566")
    metadata = published.files("me/tiny")[f"{PLACE}/metadata.yaml"]
    alter(published, f"{PLACE}/SHA256SUMS", f"{digest(metadata)}  metadata.yaml\n".encode())
    with pytest.raises(UserError, match="no checksum"):
        fetch("me/tiny", soc="rk3566")
    alter(published, f"{PLACE}/metadata.yaml", metadata + b"#")
    with pytest.raises(UserError, match=r"metadata\.yaml is not the file"):
        fetch("me/tiny", soc="rk3566")


@pytest.mark.parametrize("name", ["../evil.rknn", "/etc/passwd", "a/b.rknn", ".."])
def test_a_path_that_leaves_the_folder_is_refused(published: Hub, name):
    metadata = yaml.safe_load(published.files("me/tiny")[f"{PLACE}/metadata.yaml"])
    metadata["artifacts"][0]["file"] = name
    forge(published, yaml.safe_dump(metadata).encode())
    with pytest.raises(UserError, match="outside itself"):
        fetch("me/tiny", soc="rk3566")


def test_a_listing_that_leaves_the_cache_is_refused(published: Hub, tmp_path: Path):
    alter(published, "../../../metadata.yaml", b"evil")
    with pytest.raises(UserError, match="outside itself"):
        fetch("me/tiny", soc="rk3566")
    assert not [p for p in tmp_path.rglob("metadata.yaml") if p.read_bytes() == b"evil"]


def test_a_folder_that_is_not_what_it_says_is_refused(published: Hub):
    metadata = published.files("me/tiny")["2.3.2/rk3588/int8/metadata.yaml"]
    forge(published, metadata)
    with pytest.raises(UserError, match="something else"):
        fetch("me/tiny", soc="rk3566")


def test_a_name_that_leaves_the_folder_is_refused(published: Hub, tmp_path: Path):
    bundle = fetch("me/tiny", soc="rk3566")
    evil = replace(bundle, spec=replace(bundle.spec, name="../evil"))
    with pytest.raises(UserError, match="leaves the folder"):
        pull(evil, tmp_path / "board")


def test_what_is_no_bundle_or_not_there_is_named(hub: Hub, tmp_path: Path, monkeypatch):
    HfApi().create_repo("me/plain")
    with pytest.raises(UserError, match="holds no bundle"):
        fetch("me/plain")
    with pytest.raises(UserError, match="no repo me/nothing"):
        fetch("me/nothing")
    with pytest.raises(UserError, match="no such branch"):
        fetch("me/plain", revision="gone")
    hub.repos["me/plain"].gated = True
    monkeypatch.setenv("HF_TOKEN", "hf_reader")
    with pytest.raises(UserError, match="is gated"):
        fetch("me/plain")
    out = cli("pull", "me", cwd=tmp_path)
    assert out.returncode == 2 and "owner/name" in out.stderr


def test_without_the_client_the_command_says_so(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("rknn_zoo_e2e.hub.client.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"huggingface_hub is not installed.*pip install .*\[hub\]'"):
        load("hf:me/tiny")


def test_where_there_are_no_locks_pull_says_so(hub: Hub, tmp_path: Path):
    """As on Windows, see tests/no_linux."""
    publish([make(tmp_path)], "me/tiny", Wishes(draw=False))
    hiding = Path(__file__).parent.parent / "no_linux"
    out = cli("pull", "me/tiny", "-o", "out", cwd=tmp_path, PYTHONPATH=hiding)
    assert out.returncode == 0 and "let no other e2erknn change tiny_rknn_model meanwhile" in out.stderr, out.stderr
    assert read_bundle(tmp_path / "out/tiny_rknn_model").artifacts[0].soc == "rk3566"
