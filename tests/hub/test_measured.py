"""What boards measured, published: into metadata and card beside the prediction, and back with a pull."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from bundles import SPEC, cli, make
from server import Hub
from support.machine import machine
from support.measurement import measured

from rknn_zoo_e2e import publish as api_publish
from rknn_zoo_e2e.bundle.measurement import MOST_MEASUREMENTS
from rknn_zoo_e2e.bundle.measurement_file import entry_of, subject
from rknn_zoo_e2e.bundle.model import Bundle
from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.hub.pull import fetch, pull
from rknn_zoo_e2e.publishing.measurements import read_measurements
from rknn_zoo_e2e.publishing.plan import Wishes
from rknn_zoo_e2e.publishing.publish import publish

PLACE = "2.3.2/rk3588/int8"


def sent(path: Path, bundle: Bundle, artifact: int = 0, **changes: object) -> Path:
    """A file of a stranger's, about an artifact of the bundle."""
    path.write_text(json.dumps(measured() | subject(bundle, bundle.artifacts[artifact]) | changes))
    return path


def put(bundle: Bundle, *files: Path, repo: str = "me/tiny", **wishes: object):
    found = read_measurements(files, [bundle])
    return publish([bundle], repo, Wishes(draw=False, measurements=found, **wishes))[1]


def card_of(hub: Hub, repo: str = "me/tiny", ref: str = "main") -> str:
    return hub.files(repo, ref)["README.md"].decode()


def rows(card: str) -> list[list[str]]:
    """Cells of the table of measured speeds, as a reader of Markdown shows them."""
    section = card.partition("## Measured speed\n")[2].partition("\n## ")[0]
    text = re.sub(r"&#(\d+);", lambda found: chr(int(found[1])), section)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"][2:]


def test_it_stands_in_metadata_and_card_beside_the_prediction_and_comes_back(hub: Hub, tmp_path: Path):
    bundle = make(tmp_path, "rk3588")
    assert put(bundle).commit and "## Measured speed" not in card_of(hub)
    assert put(bundle, sent(tmp_path / "board.json", bundle)).commit
    [artifact] = bundle.artifacts
    predicted = artifact.predicted
    assert predicted is not None
    said = f"{predicted.ms:.1f} ({predicted.low:.1f} to {predicted.high:.1f})"
    assert rows(card_of(hub)) == [
        [
            "rk3588 int8", "rk3588 (xunlong,orangepi-5)", "18.1 (19.0)", said, "50.0", "140.0 (3)",
            "1000 of 1000 MHz, performance", "rknn-toolkit-lite2 2.3.2, librknnrt 2.3.2, driver 0.9.8", "2026-11-26",
        ]
    ]  # fmt: skip
    assert (
        "## Predicted speed" in card_of(hub) and "orangepi-5" in hub.files("me/tiny")[f"{PLACE}/metadata.yaml"].decode()
    )
    # Here, too, so that the next publication says it again; and for whoever pulls it.
    assert read_bundle(bundle.path).artifacts[0].measured == [entry_of(measured())]
    path, _ = pull(fetch("me/tiny", soc="rk3588"), tmp_path / "pulled")
    assert read_bundle(path).artifacts[0].measured == [entry_of(measured())]
    assert read_bundle(path).report()["artifacts"][0]["measured"] == [entry_of(measured())]


def test_the_same_again_changes_nothing_and_other_boards_add_up(hub: Hub, tmp_path: Path):
    bundle = make(tmp_path, "rk3588")
    first = sent(tmp_path / "a.json", bundle)
    second = sent(tmp_path / "b.json", bundle, board={"soc": "rk3588", "name": "radxa,rock-5b", "cores": 3})
    put(bundle, first, first)
    before = (bundle.path / "metadata.yaml").stat().st_mtime_ns
    with hub.unchanged("me/tiny"):
        assert put(read_bundle(bundle.path), first).commit is None
        assert put(read_bundle(bundle.path)).commit is None
    assert (bundle.path / "metadata.yaml").stat().st_mtime_ns == before
    put(read_bundle(bundle.path), second, first)
    boards = ["rk3588 (xunlong,orangepi-5)", "rk3588 (radxa,rock-5b)"]
    assert [row[1] for row in rows(card_of(hub))] == boards
    with hub.unchanged("me/tiny"):
        assert put(read_bundle(bundle.path), second).commit is None


def test_what_was_added_on_the_hub_stays(hub: Hub, tmp_path: Path):
    """A board's owner proposes it there, and whoever publishes next has not pulled it."""
    bundle = make(tmp_path / "mine", "rk3588")
    put(bundle)
    theirs, _ = pull(fetch("me/tiny", soc="rk3588"), tmp_path / "theirs")
    done = put(read_bundle(theirs), sent(tmp_path / "board.json", bundle), pull_request=True)
    assert done.url.endswith("/discussions/1") and "orangepi-5" in card_of(hub, ref="refs/pr/1")
    assert [path for path in hub.files("me/tiny") if "orangepi-5" in hub.files("me/tiny")[path].decode("latin-1")] == []
    hub.repos["me/tiny"].refs["main"] = hub.repos["me/tiny"].refs["refs/pr/1"]  # merged
    with hub.unchanged("me/tiny"):
        assert put(bundle).commit is None
    other = sent(tmp_path / "c.json", bundle, board={"soc": "rk3588", "name": "radxa,rock-5b", "cores": 3})
    put(bundle, other)
    assert [row[1] for row in rows(card_of(hub))] == ["rk3588 (xunlong,orangepi-5)", "rk3588 (radxa,rock-5b)"]
    with hub.unchanged("me/tiny"):  # whatever the order here
        assert put(read_bundle(bundle.path)).commit is None


def test_a_build_of_its_own_has_its_own_figures(hub: Hub, tmp_path: Path):
    """rk3568 runs what was built for rk3566, and is named as the board it is; the other artifact has none."""
    bundle = make(tmp_path, "rk3566", "rk3588")
    one = sent(tmp_path / "a.json", bundle, 0, board={"soc": "rk3568", "name": None, "cores": 1}, clocks=[])
    put(bundle, one)
    assert [len(a.measured) for a in read_bundle(bundle.path).artifacts] == [1, 0]
    [row] = rows(card_of(hub))
    assert row[:2] == ["rk3566 int8", "rk3568"] and row[6] == "unknown"


def test_the_same_build_under_another_name_is_the_same(hub: Hub, tmp_path: Path):
    bundle = make(tmp_path, "rk3588")
    put(
        bundle,
        sent(tmp_path / "a.json", bundle, model=measured()["model"] | {"name": "best", "weights_sha256": "d" * 64}),
    )
    assert len(rows(card_of(hub))) == 1


def test_outside_the_predicted_interval_both_are_shown(hub: Hub, tmp_path: Path):
    bundle = make(tmp_path, "rk3588")
    slow = {"p50": 900.0, "p90": 901.0, "p99": 902.0}
    put(bundle, sent(tmp_path / "a.json", bundle, stages=measured()["stages"] | {"infer": slow}))
    [row] = rows(card_of(hub))
    assert row[2] == "900.0 (901.0)" and re.fullmatch(r"[\d.]+ \([\d.]+ to [\d.]+\)", row[3])


ANOTHER = r"measured with another build than those of .*tiny_rknn_model: tiny, rk3588 int8, SHA-256 cccccccccccc"
CONTRADICTING = r"contradicts the artifact it names \({}\)"


@pytest.mark.parametrize(
    ("change", "said", "fix"),
    [
        (lambda d: d["artifact"].update(sha256="c" * 64), ANOTHER, "measure this one on the board with: e2erknn bench"),
        (lambda d: d["artifact"].update(precision="fp16"), CONTRADICTING.format("precision"), "as it was written"),
        (lambda d: d["model"].update(imgsz=[96, 96]), CONTRADICTING.format("imgsz"), "as it was written"),
        (lambda d: d["board"].update(soc="rk3566"), CONTRADICTING.format("an rk3566 does not run it"), "as it was"),
    ],
)
def test_a_file_that_was_not_made_from_this_artifact_is_refused(hub: Hub, tmp_path: Path, change, said, fix):
    bundle = make(tmp_path, "rk3588")
    file = sent(tmp_path / "board.json", bundle)
    change(document := json.loads(file.read_text()))
    file.write_text(json.dumps(document))
    with pytest.raises(UserError, match=said) as error:
        put(bundle, file)
    assert fix in error.value.fix and not hub.repos and not read_bundle(bundle.path).artifacts[0].measured


def test_more_than_a_bundle_can_hold_is_refused(hub: Hub, tmp_path: Path):
    bundle = make(tmp_path, "rk3588")
    files = [sent(tmp_path / f"{n}.json", bundle, cpu_ms=n / 10) for n in range(MOST_MEASUREMENTS + 1)]
    put(bundle, *files[1:])
    with pytest.raises(UserError, match=r"would have 101 measurements, more than 100"):
        put(read_bundle(bundle.path), files[0])
    assert len(read_bundle(fetch("me/tiny", soc="rk3588").path).artifacts[0].measured) == MOST_MEASUREMENTS


def test_what_a_dry_run_shows_is_written_nowhere(hub: Hub, tmp_path: Path):
    bundle = make(tmp_path, "rk3588")
    file, before = sent(tmp_path / "board.json", bundle), (bundle.path / "metadata.yaml").read_bytes()
    plan = api_publish(bundle.path, "me/tiny", dry_run=True, draw=False, measured=[file])
    assert "18.1 (19.0)" in plan.card and not hub.repos
    assert (bundle.path / "metadata.yaml").read_bytes() == before
    done = api_publish(bundle.path, "me/tiny", draw=False, measured=file)
    assert done.card == plan.card and done.commit and len(read_bundle(bundle.path).artifacts[0].measured) == 1


def test_who_says_no_has_nothing_changed(hub: Hub, tmp_path: Path):
    bundle = make(tmp_path, "rk3588")
    found = read_measurements([sent(tmp_path / "board.json", bundle)], [bundle])
    publish([bundle], "me/tiny", Wishes(draw=False, measurements=found), lambda _: False)
    assert not hub.repos and not read_bundle(bundle.path).artifacts[0].measured


def test_a_bundle_that_cannot_be_written_says_what_to_do(hub: Hub, tmp_path: Path):
    bundle = make(tmp_path / "there", "rk3588")
    file = sent(tmp_path / "board.json", bundle)
    (tmp_path / "there" / ".tiny_rknn_model.lock").mkdir()  # as where this user may not write, but for root too
    with pytest.raises(UserError, match="cannot be written") as error:
        put(bundle, file)
    assert "Copy the bundle to where you may write" in error.value.fix and not hub.repos


def typed(command: str, folder: Path, *more: object, **board: object) -> str:
    out = cli(*shlex.split(command)[1:], *more, cwd=folder, **board)
    assert out.returncode == 0, out.stderr
    return out.stdout + out.stderr


@pytest.mark.slow
def test_the_commands_of_the_page(hub: Hub, tmp_path: Path):
    """From the board to the card, by the owner of both."""
    bundle = make(tmp_path / "pc", "rk3588", spec=replace(SPEC, name="yolov8n"))
    shutil.copytree(bundle.path, tmp_path / "board" / bundle.path.name)
    place = {"board": "rk3588", "RKNNLITE_STANDIN_ROOT": machine(tmp_path / "root")}
    typed("e2erknn bench yolov8n_rknn_model --save board.json", tmp_path / "board", "--runs", 3, **place)
    (tmp_path / "board" / "board.json").rename(tmp_path / "pc" / "board.json")
    command = "e2erknn publish yolov8n_rknn_model --measured board.json --repo me/yolov8n-rknn"
    shown = typed(command, tmp_path / "pc", "--dry-run", "--no-draw")
    assert "## Measured speed" in shown and not hub.repos
    assert re.search(r"^Measured on rk3588 \(xunlong,orangepi-5\): [\d.]+ ms a picture", shown, re.MULTILINE)
    typed(command, tmp_path / "pc", "--yes", "--no-draw")
    [row] = rows(card_of(hub, "me/yolov8n-rknn"))
    assert row[1] == "rk3588 (xunlong,orangepi-5)"
    seen = typed("e2erknn inspect yolov8n_rknn_model", tmp_path / "pc")
    assert "Measured on rk3588 (xunlong,orangepi-5): " in seen and "Predicted on rk3588: " in seen
    document = json.loads(typed("e2erknn inspect yolov8n_rknn_model --json", tmp_path / "pc"))
    assert document["artifacts"][0]["measured"][0]["board"]["name"] == "xunlong,orangepi-5"


@pytest.mark.slow
def test_the_commands_of_the_page_for_a_repo_of_somebody_else(hub: Hub, tmp_path: Path):
    bundle = make(tmp_path, "rk3588", spec=replace(SPEC, name="yolov8n"))
    put(bundle, repo="me/yolov8n-rknn")
    folder = tmp_path / "theirs"
    folder.mkdir()
    typed("e2erknn pull me/yolov8n-rknn --soc rk3588 --whole", folder)
    sent(folder / "board.json", bundle)
    said = typed(
        "e2erknn publish yolov8n_rknn_model --measured board.json --repo me/yolov8n-rknn --pr", folder, "--yes"
    )
    assert "Proposed: " in said and rows(card_of(hub, "me/yolov8n-rknn")) == []
    assert len(rows(card_of(hub, "me/yolov8n-rknn", "refs/pr/1"))) == 1


@pytest.mark.slow
def test_the_command_refuses_what_was_made_from_something_else(hub: Hub, tmp_path: Path):
    mine, other = make(tmp_path / "a", "rk3588"), make(tmp_path / "b", "rk3566")
    words = ("publish", other.path, "--repo", "me/tiny", "--yes", "--measured", sent(tmp_path / "x.json", mine))
    out = cli(*words, cwd=tmp_path)
    assert out.returncode == 1 and "was measured with another build" in out.stderr and not hub.repos
