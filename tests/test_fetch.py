"""Fetching weights and pictures, with the real clients, from a small server of our own."""

from __future__ import annotations

import hashlib
import json
import resource
import signal
import stat
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from support.archives import zipped
from support.cli import COMMAND, PATIENCE, run
from support.mirror import COMMIT, Mirror

from rknn_zoo_e2e.files.lock import locked

# 25.6 MB: the client writes blocks of 10 MB.
LARGE = zipped(("archive/data", bytes(range(256)) * 100_000, 0o644), method=zipfile.ZIP_STORED)


@pytest.fixture
def checkpoint(models: Path) -> bytes:
    return (models / "weights/shapes.pt").read_bytes()


def fetch(mirror: Mirror, folder: Path, *names: str, **env: str):
    """``e2erknn fetch --json``: its exit code, document and stderr."""
    out = run("fetch", *names, "--json", cwd=folder, env=mirror.env(folder, **env))
    assert "Traceback" not in out.stderr, out.stderr
    return out.returncode, json.loads(out.stdout), out.stderr


def files(folder: Path) -> dict[str, bytes]:
    """All files below a folder that are not locks."""
    found = (p for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock" and p.name != "CACHEDIR.TAG")
    return {str(p.relative_to(folder)): p.read_bytes() for p in found if "refs" not in p.parts}


@pytest.mark.slow
def test_from_hugging_face_then_from_the_cache(mirror: Mirror, tmp_path: Path, checkpoint: bytes):
    mirror.files["/Ultralytics/YOLOv8/yolov8n.pt"] = checkpoint
    code, document, _ = fetch(mirror, tmp_path, "yolov8n")
    [model] = document["models"]
    assert code == 0 and Path(model["path"]).read_bytes() == checkpoint
    assert model["sha256"] == hashlib.sha256(checkpoint).hexdigest()
    assert (model["source"], model["cached"]) == ("hf:Ultralytics/YOLOv8/yolov8n.pt", False)
    assert (tmp_path / "hf/hub/models--Ultralytics--YOLOv8/snapshots" / COMMIT / "yolov8n.pt").is_file()
    asked = len(mirror.log)
    code, document, _ = fetch(mirror, tmp_path, "yolov8n", HF_HUB_OFFLINE="1")
    assert code == 0 and document["models"] == [{**model, "cached": True}] and len(mirror.log) == asked
    rows = json.loads(run("list", "yolov8n*", "--json", cwd=tmp_path, env=mirror.env(tmp_path)).stdout)
    assert [row["name"] for row in rows if row["local"]] == ["yolov8n"]


def test_the_release_where_the_hub_has_not_the_file(mirror: Mirror, tmp_path: Path, checkpoint: bytes):
    mirror.files["/Ultralytics/YOLO26/README.md"] = b""
    for name in ("yolo26n", "yolo11n-pose", "yolov8n-seg"):
        mirror.files[f"/releases/v8.4.0/{name}.pt"] = checkpoint
    code, document, _ = fetch(mirror, tmp_path, "yolo26n", "yolo11n-pose", "yolov8n-seg")
    assert code == 0 and {m["source"].split("/")[0] for m in document["models"]} == {"release:v8.4.0"}
    # Entry missing, repository missing, and a card that names no repository.
    assert [path for method, path, _ in mirror.log if "YOLOv8" in path] == []
    assert {Path(m["path"]).read_bytes() for m in document["models"]} == {checkpoint}


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/Ultralytics/YOLO11/yolo11x.pt", "/releases/v8.4.0/yolo11x.pt"])
def test_a_cut_connection_is_resumed(mirror: Mirror, tmp_path: Path, path: str):
    mirror.files[path] = LARGE
    mirror.cuts[path] = [12_000_000]
    code, document, _ = fetch(mirror, tmp_path, "yolo11x")
    assert code == 0 and Path(document["models"][0]["path"]).read_bytes() == LARGE
    first, second = (span for asked, span in mirror.downloads() if asked == path)
    assert first is None and second is not None and int(second[6:-1]) >= 10_000_000


@pytest.mark.slow
def test_a_release_is_resumed_by_the_next_run(mirror: Mirror, tmp_path: Path):
    path = "/releases/v8.4.0/yolov8x-seg.pt"
    mirror.files[path] = LARGE
    mirror.cuts[path] = [12_000_000, -1]
    code, document, error = fetch(mirror, tmp_path, "yolov8x-seg")
    assert code == 1 and "stopped answering" in error and "yolov8x-seg" in document["failed"]
    before = len(mirror.log)
    code, document, _ = fetch(mirror, tmp_path, "yolov8x-seg")
    assert code == 0 and Path(document["models"][0]["path"]).read_bytes() == LARGE
    assert mirror.log[before:][-1][2] is not None
    assert not list((tmp_path / "cache").rglob("*.part"))


def test_a_log_in_page_is_no_checkpoint(mirror: Mirror, tmp_path: Path):
    mirror.files["/releases/v8.4.0/yolov8n-seg.pt"] = b"<html>Welcome to the hotel</html>"
    code, document, _ = fetch(mirror, tmp_path, "yolov8n-seg")
    assert code == 1 and "sent something else than yolov8n-seg.pt" in document["failed"]["yolov8n-seg"]["what"]
    assert not files(tmp_path / "cache")


def test_several_side_by_side_and_one_that_fails(mirror: Mirror, tmp_path: Path, checkpoint: bytes):
    for size in "nsml":
        mirror.files[f"/Ultralytics/YOLO11/yolo11{size}.pt"] = checkpoint + size.encode()
    mirror.status["/releases/v8.4.0/yolo11x.pt"] = 500
    code, document, error = fetch(mirror, tmp_path, "yolo11[nsmlx]", "yolo11n", "shapes")
    assert code == 1 and [m["name"] for m in document["models"]] == [*(f"yolo11{s}" for s in "nsml"), "shapes"]
    for model in document["models"][:4]:
        assert Path(model["path"]).read_bytes() == checkpoint + model["name"][-1].encode()
    assert list(document["failed"]) == ["yolo11x"] and "answers 500" in error and error.count("Error:") == 1


@pytest.mark.slow
def test_ctrl_c_does_not_wait_for_a_silent_server(mirror: Mirror, tmp_path: Path):
    path = "/releases/v8.4.0/yolov8x-seg.pt"
    mirror.files[path] = LARGE
    mirror.stalls.add(path)
    patient = mirror.env(tmp_path) | {"HF_HUB_DOWNLOAD_TIMEOUT": str(10 * PATIENCE)}
    running = subprocess.Popen(
        [*COMMAND, "fetch", "yolov8x-seg"], cwd=tmp_path, env=patient, stderr=subprocess.PIPE, text=True
    )
    while not mirror.downloads():
        time.sleep(0.05)
    time.sleep(0.2)
    running.send_signal(signal.SIGINT)
    _, error = running.communicate(timeout=PATIENCE)
    assert running.returncode == 130 and "Interrupted" in error and "Traceback" not in error
    assert not list((tmp_path / "cache").rglob("*.pt"))


# ``fetch`` where the one download nobody foresaw the fault of is yolo11n's, and the others take ten minutes.
UNFORESEEN = """
import time
import rknn_zoo_e2e.zoo.fetch as fetching
from rknn_zoo_e2e import cli
def download(asset, record, progress):
    if asset.name == "yolo11n":
        time.sleep(0.5)
        raise {}
    for _ in range(6000):
        time.sleep(0.1)
        progress("fetch", 0.5)
fetching._download = download
cli.main()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("ZeroDivisionError('division by zero')", "ZeroDivisionError: division by zero"),
        ("KeyError('etag')", "KeyError: 'etag'"),
        ("MemoryError()", "There is not enough memory"),
        ("SystemExit(3)", ""),
    ],
)
def test_an_error_nobody_foresaw_is_told_as_itself(mirror: Mirror, tmp_path: Path, error: str, said: str):
    """At once, though other downloads are under way, and not as a result that is missing later."""
    command = [sys.executable, "-c", UNFORESEEN.format(error), "fetch", "yolo11s", "yolo11n", "yolo11m", "--json"]
    out = subprocess.run(
        command, cwd=tmp_path, env=mirror.env(tmp_path), capture_output=True, text=True, timeout=PATIENCE
    )
    assert out.returncode == (1 if said else 3) and "Traceback" not in out.stderr, out.stderr
    assert said in out.stderr and "Asset(" not in out.stderr
    if said:
        assert said in json.loads(out.stdout)["error"]["what"]


@pytest.mark.slow
def test_another_fetch_of_the_same_is_waited_for_and_named(mirror: Mirror, tmp_path: Path, checkpoint: bytes):
    mirror.files["/Ultralytics/YOLOv8/yolov8n.pt"] = checkpoint
    folder = tmp_path / "cache/e2erknn/fetched"
    folder.mkdir(parents=True)
    with locked(folder / "yolov8n", "fetch", print):
        waiting = subprocess.Popen(
            [*COMMAND, "fetch", "yolov8n"], cwd=tmp_path, env=mirror.env(tmp_path), stderr=subprocess.PIPE, text=True
        )
        assert "yolov8n: wait for another fetch" in waiting.stderr.readline()
    assert waiting.communicate(timeout=PATIENCE) and waiting.returncode == 0
    assert [path for path, _ in mirror.downloads() if "YOLOv8" in path] == ["/Ultralytics/YOLOv8/yolov8n.pt"]


FAULTS = [
    ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE forbids", "E2ERKNN_WEIGHTS"),
    ({"HF_ENDPOINT": "http://127.0.0.1:9", "E2ERKNN_RELEASES": "http://127.0.0.1:9"}, "does not answer", "HF_ENDPOINT"),
    ({"HF_TOKEN": "hf_expired"}, "refused the token", "HF_TOKEN"),
    ({}, "nowhere to be found", "E2ERKNN_RELEASES"),
]


@pytest.mark.parametrize(("env", "what", "fix"), FAULTS)
def test_faults_name_the_way_out(mirror: Mirror, tmp_path: Path, env, what, fix):
    code, document, error = fetch(mirror, tmp_path, "yolo11n", **env)
    failed = document["failed"]["yolo11n"]
    assert code == 1 and what in failed["what"] and fix in failed["fix"]
    assert error.strip().splitlines()[-2:] == [f"Error: {failed['what']}", failed["fix"]]
    assert not files(tmp_path / "cache") and "hf_expired" not in error


@pytest.mark.slow
def test_the_hub_sends_something_else_than_it_has_on_record(mirror: Mirror, tmp_path: Path, checkpoint: bytes):
    path = "/Ultralytics/YOLO11/yolo11n.pt"
    mirror.files[path], mirror.promised[path] = checkpoint[:-1] + b"!", hashlib.sha256(checkpoint).hexdigest()
    code, document, _ = fetch(mirror, tmp_path, "yolo11n")
    assert code == 1 and "the Hub has on record" in document["failed"]["yolo11n"]["what"]
    assert not files(tmp_path)
    mirror.files[path] = checkpoint
    assert fetch(mirror, tmp_path, "yolo11n")[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/Ultralytics/YOLO11/yolo11n.pt", "/releases/v8.4.0/yolo11n.pt"])
def test_what_came_first_is_what_comes_later(mirror: Mirror, tmp_path: Path, checkpoint: bytes, path: str):
    mirror.files[path] = checkpoint
    first = Path(fetch(mirror, tmp_path, "yolo11n")[1]["models"][0]["path"])
    first.resolve().unlink()
    before, mirror.files[path] = files(tmp_path), checkpoint.replace(b"shapes", b"shaped")
    code, document, _ = fetch(mirror, tmp_path, "yolo11n")
    assert code == 1 and "at the first fetch; it was not kept" in document["failed"]["yolo11n"]["what"]
    assert files(tmp_path) == before
    mirror.files[path] = checkpoint
    assert fetch(mirror, tmp_path, "yolo11n")[0] == 0
    first.resolve().write_bytes(checkpoint[:1000])
    code, document, _ = fetch(mirror, tmp_path, "yolo11n")
    assert code == 1 and "has changed since" in document["failed"]["yolo11n"]["what"]


@pytest.mark.parametrize("path", ["/Ultralytics/YOLO11/yolo11n.pt", "/releases/v8.4.0/yolo11n.pt"])
def test_a_full_disk(mirror: Mirror, tmp_path: Path, checkpoint: bytes, path: str):
    mirror.files[path] = checkpoint
    out = run(
        "fetch", "yolo11n", cwd=tmp_path, env=mirror.env(tmp_path),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )  # fmt: skip
    assert out.returncode == 1 and "the disk is full" in out.stderr and "XDG_CACHE_HOME" in out.stderr
    assert not [name for name in files(tmp_path) if name.endswith(".pt")]


@pytest.mark.slow
def test_a_name_of_the_zoo_fetches_by_itself(mirror: Mirror, tmp_path: Path, models: Path, checkpoint: bytes):
    mirror.files["/Ultralytics/YOLOv8/yolov8n.pt"] = checkpoint
    out = run("demo", models / "sample.jpg", "--json", cwd=tmp_path, env=mirror.env(tmp_path))
    assert out.returncode == 0 and "fetch" in out.stderr, out.stderr
    assert len(json.loads(out.stdout)["images"][0]["detections"]) >= 3


@pytest.mark.slow
def test_wrong_names(mirror: Mirror, tmp_path: Path):
    for name, hint in (("yolo11n-sge", "yolo11n-seg"), ("coco182", "coco128"), ("yolo99*", "e2erknn list")):
        out = run("fetch", name, cwd=tmp_path, env=mirror.env(tmp_path))
        assert out.returncode == 2 and hint in out.stderr


@pytest.fixture
def pictures(models: Path) -> list[tuple[str, bytes, int]]:
    content = (models / "sample.jpg").read_bytes()
    names = [f"coco128/images/train2017/{i:012}.jpg" for i in range(6)]
    return [("coco128/LICENSE", b"text", 0o644), *((name, content, 0o644) for name in names)]


@pytest.mark.slow
def test_coco128_calibrates_official_models(mirror: Mirror, tmp_path: Path, checkpoint: bytes, pictures, monkeypatch):
    from rknn_zoo_e2e.conversion.options import Options
    from rknn_zoo_e2e.conversion.pictures import calibration_for
    from rknn_zoo_e2e.errors import UserError
    from rknn_zoo_e2e.zoo import resolve

    mirror.files["/releases/v0.0.0/coco128.zip"] = zipped(*pictures)
    code, document, _ = fetch(mirror, tmp_path, "coco128")
    folder = Path(document["models"][0]["path"])
    assert code == 0 and sorted(p.suffix for p in folder.rglob("*") if p.is_file()) == [".jpg"] * 6
    assert fetch(mirror, tmp_path, "coco128")[1]["models"][0]["cached"]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("E2ERKNN_WEIGHTS", str(tmp_path))
    (tmp_path / "yolov8n.pt").write_bytes(checkpoint + b"trained further")
    options = Options(socs=(), calib_images=4)
    calibration = calibration_for(resolve("yolov8n"), options)
    assert calibration is not None and (calibration.name, len(calibration)) == ("coco128", 4)
    with pytest.raises(UserError, match="--calib"):  # a file of that name may be anybody's
        calibration_for(resolve(str(tmp_path / "yolov8n.pt")), options)
    assert calibration_for(resolve("yolov8n"), Options(socs=(), precision="fp16")).name == calibration.name


HOSTILE = [
    ("../../outside.jpg", 0o644, "leaves its folder"),
    ("/tmp/outside.jpg", 0o644, "leaves its folder"),
    ("C:\\outside.jpg", 0o644, "leaves its folder"),
    ("coco128/images/link.jpg", stat.S_IFLNK | 0o777, "holds the link"),
]


@pytest.mark.parametrize(("name", "mode", "what"), HOSTILE)
def test_a_hostile_archive_leaves_nothing(tmp_path: Path, pictures, name, mode, what):
    from rknn_zoo_e2e.errors import UserError
    from rknn_zoo_e2e.zoo.fetch.archive import unpack_pictures

    archive = tmp_path / "cache" / "coco128.zip"
    archive.parent.mkdir()
    archive.write_bytes(zipped(*pictures, (name, b"../../..", mode)))
    with pytest.raises(UserError, match=what):
        unpack_pictures(archive, archive.parent / "coco128")
    assert list(tmp_path.rglob("*")) == [archive.parent]


@pytest.mark.slow
def test_a_damaged_or_empty_archive(mirror: Mirror, tmp_path: Path, pictures):
    from rknn_zoo_e2e.errors import UserError
    from rknn_zoo_e2e.zoo.fetch.archive import unpack_pictures

    whole = zipped(*pictures)
    middle = len(whole) // 2
    damaged = whole[:middle] + b"damage" + whole[middle + 6 :]
    for content in (b"<html>", whole[:-100], damaged, zipped(pictures[0])):
        (tmp_path / "coco128.zip").write_bytes(content)
        with pytest.raises(UserError, match="was not unpacked"):
            unpack_pictures(tmp_path / "coco128.zip", tmp_path / "coco128")
        assert not list(tmp_path.iterdir())
    mirror.files["/releases/v0.0.0/coco128.zip"] = damaged
    code, document, _ = fetch(mirror, tmp_path, "coco128")
    assert code == 1 and "was not unpacked" in document["failed"]["coco128"]["what"] and not files(tmp_path)
    mirror.files["/releases/v0.0.0/coco128.zip"] = whole
    assert fetch(mirror, tmp_path, "coco128")[0] == 0


@pytest.mark.slow
def test_no_network_and_no_pictures(mirror: Mirror, tmp_path: Path, checkpoint: bytes):
    mirror.files["/Ultralytics/YOLOv8/yolov8n.pt"] = checkpoint
    fetch(mirror, tmp_path, "yolov8n")
    out = run("convert", "yolov8n", "--soc", "rk3566", cwd=tmp_path, env=mirror.env(tmp_path, HF_HUB_OFFLINE="1"))
    assert out.returncode == 1 and "coco128 is not on this machine" in out.stderr and "--calib" in out.stderr


def test_an_absurd_size_is_not_fetched(mirror: Mirror, tmp_path: Path, monkeypatch):
    from rknn_zoo_e2e.progress import silent
    from rknn_zoo_e2e.zoo.cards import ReleaseFile
    from rknn_zoo_e2e.zoo.fetch import faults, release

    mirror.files["/releases/v8.4.0/yolov8x.pt"] = LARGE
    for name in ("E2ERKNN_RELEASES", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, mirror.env(tmp_path)[name])
    monkeypatch.setattr(release, "MAX_FILE_BYTES", 1_000_000)
    with pytest.raises(faults.Unreachable, match=r"offers 25,600,\d+ bytes as yolov8x\.pt"):
        release.from_release(ReleaseFile("v8.4.0", "yolov8x.pt"), "yolov8x", None, None, silent)
    assert not mirror.downloads() and not (tmp_path / "cache").exists()
