"""What bad people send: through the command line it is refused in two sentences, and runs nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from bundles import SPEC, cli, make
from huggingface_hub import ModelCard
from server import Blob, Hub
from support import hostile

from rknn_zoo_e2e.bundle import schema
from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.hub import client, listing
from rknn_zoo_e2e.hub.layout import digest
from rknn_zoo_e2e.hub.pull import fetch, pull
from rknn_zoo_e2e.publishing.plan import Wishes, make_plan
from rknn_zoo_e2e.publishing.publish import publish

pytestmark = pytest.mark.slow

PLACE = "2.3.2/rk3566/int8"
SCRIPT = "<script>fetch('//evil')</script>"


def refused(out: subprocess.CompletedProcess, *said: str) -> None:
    """One sentence saying what is wrong, one what to do, exit code 1."""
    lines = [line for line in out.stderr.splitlines() if not line.startswith("[")]
    assert out.returncode == 1 and len(lines) == 2 and lines[0].startswith("Error: "), out.stderr
    assert all(word in out.stderr for word in said) and not out.stdout, out.stderr


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    """A checkpoint that touches a file when it is loaded."""
    checkpoint = torch.load(hostile.SHAPES, weights_only=False)
    checkpoint["model"].notes = hostile.Calls(os.system, f"touch {tmp_path / 'touched'}")
    torch.save(checkpoint, tmp_path / "evil.pt")
    return tmp_path / "evil.pt"


@pytest.mark.parametrize(
    "command",
    [
        ("convert", "evil.pt", "--soc", "rk3566", "--precision", "fp16"),
        ("info", "evil.pt"),
        ("demo", "sample.jpg", "--model", "evil.pt"),
        ("bench", "evil.pt", "--backend", "torch", "--runs", "1"),
    ],
    ids=lambda command: command[0],
)
def test_a_malicious_checkpoint_is_refused(evil: Path, models: Path, command):
    shutil.copy(models / "sample.jpg", evil.parent)
    out = cli(*command, cwd=evil.parent)
    refused(out, "evil.pt tries to run code when it is loaded (posix.system)", "--trust-checkpoint")
    assert {path.name for path in evil.parent.iterdir()} <= {"evil.pt", "sample.jpg"}


def test_who_trusts_a_checkpoint_is_warned_and_has_it(evil: Path):
    out = cli("info", "evil.pt", "--trust-checkpoint", cwd=evil.parent)
    assert out.returncode == 0 and "triangle" in out.stdout and "Warning: code in the .pt" in out.stderr, out.stderr
    assert (evil.parent / "touched").exists()


def test_a_tampered_model_is_refused(hub: Hub, tmp_path: Path, models: Path):
    bundle = make(tmp_path)
    (bundle.path / bundle.artifacts[0].file).write_bytes(b"evil")
    for command in (
        ("inspect", bundle.path),
        ("demo", models / "sample.jpg", "--model", bundle.path),
        ("publish", bundle.path, "--repo", "me/tiny", "--yes"),
    ):
        refused(cli(*command, cwd=tmp_path, board="rk3566"), "tiny-rk3566-int8.rknn is not the file", "checksum")
    assert not hub.repos


def test_a_bundle_that_leaves_its_folder_is_refused(hub: Hub, tmp_path: Path, models: Path):
    bundle = make(tmp_path)
    (tmp_path / "secret").write_text("secret")
    text = (bundle.path / "metadata.yaml").read_text().replace("log: tiny-rk3566-int8.log", "log: ../secret")
    (bundle.path / "metadata.yaml").write_text(text)
    for command in (
        ("inspect", bundle.path),
        ("info", bundle.path),
        ("demo", models / "sample.jpg", "--model", bundle.path, "--backend", "onnx"),
        ("publish", bundle.path, "--repo", "me/tiny", "--yes", "--no-draw"),
    ):
        refused(cli(*command, cwd=tmp_path), "names files outside itself", "Do not use it")
    assert not hub.repos


def commit(hub: Hub, **files: bytes) -> None:
    """Somebody else's commit to me/tiny, its checksums made to agree."""
    repo = hub.repos["me/tiny"]
    tree = repo.commits[repo.refs["main"]] | {path: Blob(content, False) for path, content in files.items()}
    inside = {path.removeprefix(f"{PLACE}/"): blob for path, blob in tree.items() if path.startswith(f"{PLACE}/")}
    sums = "".join(f"{digest(blob.content)}  {name}\n" for name, blob in inside.items() if name != "SHA256SUMS")
    repo.commit("main", tree | {f"{PLACE}/SHA256SUMS": Blob(sums.encode(), False)})


@pytest.fixture
def published(hub: Hub, tmp_path: Path) -> Hub:
    publish([make(tmp_path / "made")], "me/tiny", Wishes(draw=False))
    return hub


def test_a_repo_that_leaves_its_folder_is_refused(published: Hub, tmp_path: Path):
    metadata = yaml.safe_load(published.files("me/tiny")[f"{PLACE}/metadata.yaml"])
    metadata["name"] = "../touched"
    commit(published, **{f"{PLACE}/metadata.yaml": yaml.safe_dump(metadata).encode()})
    refused(cli("pull", "me/tiny", "-o", "board", cwd=tmp_path), "name is '../touched'", "Do not use it")
    commit(published, **{f"{PLACE}/metadata.yaml": b"!!python/object/apply:os.system ['touch touched']"})
    refused(cli("pull", "me/tiny", "-o", "board", cwd=tmp_path), "is damaged", "Do not use it")
    commit(published, **{"../../touched": b"evil"})
    refused(cli("pull", "me/tiny", "-o", "board", cwd=tmp_path), "names files outside itself", "Do not use it")
    assert not list(tmp_path.rglob("touched*")) and not (tmp_path / "board").exists()


def test_absurd_repos_are_not_fetched(published: Hub, monkeypatch):
    published.downloaded.clear()
    commit(published, **{f"{PLACE}/metadata.yaml": b"a: " + b"x" * 5_000_000})
    with pytest.raises(UserError, match=r"metadata\.yaml has 5,000,003 bytes, more than 4,194,304\. Do not use it"):
        fetch("me/tiny")
    monkeypatch.setattr(listing, "MOST_FILES", 5)
    with pytest.raises(UserError, match="holds more than 5 files"):
        fetch("me/tiny")
    monkeypatch.setattr(listing, "MOST_FILES", 50)
    commit(published, **{f"2.3.2/rk{number}/int8/metadata.yaml": b"" for number in range(20)})
    monkeypatch.setattr(schema, "MOST_ARTIFACTS", 20)
    with pytest.raises(UserError, match="holds 21 bundles, more than 20"):
        fetch("me/tiny")
    assert not published.downloaded


def test_a_link_in_a_repo_is_a_file_with_a_path_in_it(published: Hub, tmp_path: Path):
    """As the Hub serves one: the client never makes it a link."""
    (tmp_path / "secret").write_text("secret")
    commit(published, **{f"{PLACE}/labels.txt": str(tmp_path / "secret").encode()})
    with pytest.raises(UserError, match="does not name the classes"):
        read_bundle(pull(fetch("me/tiny"), tmp_path / "board")[0])


EVIL_NAMES = (
    SCRIPT, "a | b", "`rm -rf`", "{{ 7 * 7 }}", "---", "[x](javascript:alert(1))", "![x](http://evil/x.png)",
    "<img src=x onerror=alert(1)>", "$$x$$", "www.evil.com",
)  # fmt: skip


def test_a_card_shows_script_and_runs_none(hub: Hub, tmp_path: Path):
    run = {"backend": "onnx", "data": SCRIPT, "images": 1, "metrics": {SCRIPT: {"map50": 0.5, "map": 0.5}}}
    spec = replace(SPEC, name="x'<b>{{y}}", names=EVIL_NAMES)
    bundle = make(tmp_path, spec=spec, calib=f"`{SCRIPT}", evaluations=[run])
    bundle.origin |= {"license": f"MIT\u0027{SCRIPT}", "versions": {SCRIPT: SCRIPT}}
    (bundle.path / "metadata.yaml").write_text(bundle.metadata_text())
    out = cli("publish", bundle.path, "--repo", "me/tiny", "--yes", "--no-draw", cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    card = hub.files("me/tiny")["README.md"].decode()
    for active in ("<script", "<img", "<b>", "{{", "](javascript", "](http://evil", "`rm", "$$", "www.evil"):
        assert active not in card, active
    assert "&#60;script&#62;" in card and "a &#124; b" in card
    (tmp_path / "README.md").write_text(card)
    read = ModelCard.load(tmp_path / "README.md")
    assert read.data.license == "other" and read.text.lstrip().startswith("# ")


def test_a_repos_own_card_and_pictures_are_not_believed(published: Hub, tmp_path: Path):
    commit(published, **{"README.md": SCRIPT.encode(), f"sample-{SCRIPT}.jpg": b"x", "sample-x.jpg": b"x"})
    publish([make(tmp_path / "b", "rk3588")], "me/tiny", Wishes(draw=False))
    files = published.files("me/tiny")
    assert b"script" not in files["README.md"] and b"sample" not in files["README.md"] and "sample-x.jpg" in files


def test_a_repos_metadata_is_not_believed_when_publishing(published: Hub, tmp_path: Path):
    metadata = yaml.safe_load(published.files("me/tiny")[f"{PLACE}/metadata.yaml"])
    metadata["artifacts"][0]["toolkit"] = SCRIPT
    commit(published, **{f"{PLACE}/metadata.yaml": yaml.safe_dump(metadata).encode()})
    with (
        published.unchanged("me/tiny"),
        pytest.raises(UserError, match=r"^me/tiny/2\.3\.2/rk3566/int8/metadata.*toolkit is .<script>"),
    ):
        make_plan([make(tmp_path / "b", "rk3588")], "me/tiny", Wishes(draw=False), lambda stage, share: None)


def test_a_hub_that_says_nothing_is_not_waited_for_for_ever(hub: Hub, tmp_path: Path, monkeypatch):
    from huggingface_hub import close_session

    bundle = make(tmp_path)
    monkeypatch.setattr(client, "READ_TIMEOUT", 0.3)
    hub.fail("commit", "slow")
    close_session()  # another test's may be waiting longer
    try:
        with pytest.raises(UserError, match="cannot be reached, or the connection broke"):
            publish([bundle], "me/tiny", Wishes(draw=False))
    finally:
        close_session()


def test_a_card_of_the_zoo_runs_nothing(tmp_path: Path):
    from rknn_zoo_e2e.zoo.card_reader import read_with_base
    from rknn_zoo_e2e.zoo.cards import CardError

    touched = tmp_path / "touched"
    (tmp_path / "evil.yaml").write_text(f"family: !!python/object/apply:os.system ['touch {touched}']")
    with pytest.raises(CardError, match="could not determine a constructor"):
        read_with_base(tmp_path / "evil.yaml")
    assert not touched.exists()


def test_a_class_name_does_not_reach_the_terminal_as_markup(tmp_path: Path):
    bundle = make(tmp_path, spec=replace(SPEC, names=("[/b]", "[link=file:///etc/passwd]a[/link]")))
    out = cli("info", bundle.path, cwd=tmp_path)
    assert out.returncode == 0 and "[/b], [link=file:///etc/passwd]a[/link]" in out.stdout, out.stderr
