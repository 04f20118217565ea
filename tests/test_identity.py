"""What the zoo says of a model is said of the zoo's own file, known by its checksum, and of no other."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from support.archives import zipped
from support.cli import run
from support.mirror import Mirror

from rknn_zoo_e2e.boards.soc import find_soc
from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.bundle.schema import check_model
from rknn_zoo_e2e.conversion.options import Options
from rknn_zoo_e2e.conversion.pictures import calibration_for
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.files.checksum import sha256
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.zoo import OWN, Identity, catalogue, resolve
from rknn_zoo_e2e.zoo.identity import identity_of_bundle

pytestmark = pytest.mark.slow

sys.path.insert(0, str(Path(__file__).parent / "hub"))

SPEC = ModelSpec("m", "detect", ("a",), (64, 64))


ZOOS = zipped(("archive/data", b"the zoo's", 0o644))
OTHER = zipped(("archive/data", b"somebody's", 0o644))


@pytest.fixture(scope="module")
def first_fetch(tmp_path_factory) -> Path:
    """Where yolov8n and pictures to calibrate with were fetched to, by the command."""
    home, server = tmp_path_factory.mktemp("first"), Mirror()
    picture = io.BytesIO()
    Image.new("RGB", (32, 32)).save(picture, "JPEG")
    pictures = [(f"coco128/images/{i}.jpg", picture.getvalue(), 0o644) for i in range(4)]
    server.files = {"/releases/v8.4.0/yolov8n.pt": ZOOS, "/releases/v0.0.0/coco128.zip": zipped(*pictures)}
    out = run("fetch", "yolov8n", "coco128", cwd=home, env=server.env(home))
    server.shutdown()
    server.server_close()
    assert out.returncode == 0, out.stderr
    return home


@pytest.fixture
def kept(home: Path, first_fetch: Path) -> Path:
    """The zoo's yolov8n, fetched before."""
    shutil.copytree(first_fetch / "cache", home / "cache")
    for record in (home / "cache").rglob("*.json"):
        record.write_text(record.read_text().replace(str(first_fetch), str(home)))
    return home / "cache/e2erknn/fetched/yolov8n.pt"


# Where yolov8n.pt lies, what it holds, how it is asked for -> whose it is, and which file that means.
# The cache has the zoo's own file where the last column says so; else only its checksum is known.
PLACES = [
    ("folder", ZOOS, "yolov8n", "zoo", "folder", False),
    ("folder", OTHER, "yolov8n", "named", "folder", False),
    ("folder", ZOOS, "folder/yolov8n.pt", "zoo", "folder", False),
    ("folder", OTHER, "folder/yolov8n.pt", "own", "folder", False),
    ("here", ZOOS, "yolov8n", "zoo", "here", False),
    ("here", OTHER, "yolov8n", "own", "here", False),
    ("here", OTHER, "YOLOv8N", "own", "here", False),
    ("here", ZOOS, "here/yolov8n.pt", "zoo", "here", False),
    ("here", OTHER, "here/yolov8n.pt", "own", "here", False),
    ("here", ZOOS, "yolov8n", "zoo", "here", True),
    ("here", OTHER, "yolov8n", "zoo", "cache", True),
    ("here", OTHER, "here/yolov8n.pt", "own", "here", True),
    ("folder", OTHER, "yolov8n", "named", "folder", True),
    ("elsewhere", ZOOS, "yolov8n", "zoo", "cache", True),
    ("elsewhere", ZOOS, "YOLOV8n", "zoo", "cache", True),
    ("elsewhere", ZOOS, "elsewhere/mine.pt", "zoo", "elsewhere", False),
    ("elsewhere", OTHER, "elsewhere/mine.pt", "own", "elsewhere", False),
]


@pytest.mark.parametrize(("place", "content", "asked", "kind", "found", "cached"), PLACES)
def test_whose_weights_a_file_holds(kept: Path, home: Path, monkeypatch, place, content, asked, kind, found, cached):
    if not cached:
        kept.unlink()
    if place == "folder":
        monkeypatch.setenv("E2ERKNN_WEIGHTS", str(home / "folder"))
    file = home / place / ("mine.pt" if "mine" in asked else "yolov8n.pt")
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    source = resolve(str(home / asked) if "/" in asked else asked)
    assert source.identity.kind == kind and source.name == file.stem
    assert source.path.resolve() == (kept if found == "cache" else file).resolve()
    assert (source.passed_over is not None) == (place == "here" and found == "cache")
    options = Options(socs=(find_soc("rk3566"),))
    if kind != "own":
        assert source.identity.card is catalogue()["yolov8n"]
        calibration = calibration_for(source, options)
        assert calibration is not None and calibration.name == "coco128"
        return
    assert source.identity == OWN
    with pytest.raises(UsageError, match="--calib") as refused:
        calibration_for(source, options)
    named = "your own model" in refused.value.what and "e2erknn fetch yolov8n" in refused.value.fix
    assert named == (source.name == "yolov8n")


def test_without_any_checksum_a_file_here_is_ones_own(home: Path):
    (home / "here/yolov8n.pt").write_bytes(ZOOS)
    assert resolve("yolov8n").identity == OWN and resolve("yolov8n.pt").identity == OWN


def test_a_record_counts_only_for_the_cards_source(home: Path, kept: Path):
    """As after the cards moved to another release."""
    record = home / "cache/e2erknn/fetched/yolov8n.json"
    assert Identity(catalogue()["yolov8n"], True) == resolve(str(kept)).identity
    record.write_text(record.read_text().replace("v8.4.0", "v8.3.0"))
    assert resolve(str(kept)).identity == OWN
    with pytest.raises(UserError, match="HF_HUB_OFFLINE"):  # it would be fetched from where the card says
        resolve("yolov8n")


@pytest.mark.parametrize("name", ["shapes", "shapes-pose", "shapes-seg", "shapes-obb"])
def test_a_starter_model_is_known_by_its_content(home: Path, models: Path, name: str):
    shutil.copy(models / f"weights/{name}.pt", "copy.pt")
    source = resolve("copy.pt")
    assert source.name == "copy" and source.identity == Identity(catalogue()[name], proven=True)
    calibration = calibration_for(source, Options(socs=(find_soc("rk3566"),)))
    assert calibration is not None and calibration.name.startswith("shapes-pose" if name == "shapes-pose" else "shapes")
    with (home / "here/copy.pt").open("ab") as file:
        file.write(b"trained further")
    assert resolve("copy.pt").identity == OWN


@pytest.mark.parametrize("path", ["/Ultralytics/YOLOv8/yolov8n.pt", "/releases/v8.4.0/yolov8n.pt"])
def test_a_pinned_file_must_be_the_pinned_one(mirror: Mirror, home: Path, path: str):
    """With cards of its own, which pin yolov8n; a file fetched before the card did is fetched anew."""
    pinned = sha256_of(home, ZOOS)
    package = home / "package"
    shutil.copytree(Path(__file__).parent.parent / "rknn_zoo_e2e", package / "rknn_zoo_e2e")
    cards = shutil.copytree(Path(__file__).parent.parent / "models", package / "rknn_zoo_e2e/models")
    text = (cards / "yolov8.yaml").read_text()

    def fetch() -> tuple[int, str, str]:
        out = run("fetch", "yolov8n", cwd=home, env=mirror.env(home, PYTHONPATH=str(package)))
        return out.returncode, out.stdout, out.stderr

    mirror.files[path] = OTHER
    assert fetch()[0] == 0
    (cards / "yolov8.yaml").write_text(
        text.replace("n: {params: 3_200_000", f"n: {{sha256: {pinned}, params: 3_200_000")
    )
    code, _, error = fetch()
    assert code == 1 and f"instead of {pinned[:12]}..., which its card names; it was not kept" in error
    mirror.files[path] = ZOOS
    shutil.rmtree(home / "hf", ignore_errors=True)  # a commit of the Hub never changes, and this server has but one
    code, out, error = fetch()
    assert code == 0 and pinned[:12] in out, error
    (cards / "weights/shapes.pt").write_bytes(OTHER)
    for command in (("fetch", "shapes"), ("convert", "shapes", "--soc", "rk3566"), ("info", "shapes")):
        out = run(*command, cwd=home, env=mirror.env(home, PYTHONPATH=str(package)))
        assert out.returncode == 1 and "is not the file its card names" in out.stderr, out.stderr


def sha256_of(folder: Path, content: bytes) -> str:
    (folder / "content").write_bytes(content)
    return sha256(folder / "content")


def resaved(source: Path, target: Path) -> Path:
    """The same model in a file of one's own."""
    content = torch.load(source, map_location="cpu", weights_only=False)
    torch.save({**content, "epoch": 3}, target)
    assert sha256(source) != sha256(target)
    return target


def info(folder: Path, *args: object, **env: str) -> dict:
    out = run("info", *args, "--json", cwd=folder, env={**os.environ, **env})
    assert out.returncode == 0, out.stderr
    return json.loads(out.stdout)


def test_info_says_of_ones_own_model_what_its_file_says(home: Path, models: Path):
    own = resaved(models / "weights/shapes.pt", home / "here/yolov8n.pt")
    for asked in ("yolov8n", "./yolov8n.pt", str(own)):
        facts = info(home / "here", asked)
        assert facts["identity"] == "own" and facts["classes"] == 5 and facts["license"] is None
        assert not {"metrics", "measured_on", "params", "calibration", "base_model", "sources"} & facts.keys()
    shown = run("info", "yolov8n", cwd=home / "here").stdout
    assert "its maker's own model" in shown and "37" not in shown and "AGPL" not in shown
    # Where the user says that it is the zoo's, it is, but for figures; and not where it cannot be.
    facts = info(home, "yolov8n", E2ERKNN_WEIGHTS=str(home / "here"))
    assert facts["identity"] == "own" and facts["license"] is None
    facts = info(home, "shapes")
    assert facts["identity"] == "zoo" and facts["metrics"]["box"]["map"] == 0.8667
    shutil.copy(models / "weights/shapes.pt", home / "here/other.pt")
    assert info(home / "here", "other.pt")["metrics"] == facts["metrics"]


def test_info_of_a_model_named_by_its_folder(home: Path, weights: Path):
    facts = info(home, "yolov8n-pose", E2ERKNN_WEIGHTS=str(weights))
    assert (facts["identity"], facts["license"], facts["calibration"]) == ("named", "AGPL-3.0", "coco128")
    assert not {"metrics", "measured_on", "params", "gflops"} & facts.keys() and facts["kpt_shape"] == [17, 3]
    facts = info(home, weights / "yolov8n-pose.pt")
    assert (facts["identity"], facts["license"]) == ("own", None) and "metrics" not in facts


def test_list_tells_ones_own_from_the_zoos(kept: Path, home: Path):
    shutil.copy(kept, "yolov8s.pt")
    rows = json.loads(run("list", "yolov8[ns]", "--json", cwd=home / "here").stdout)
    assert [(row["local"], row["identity"]) for row in rows] == [(True, "zoo"), (True, "zoo")]  # yolov8n, renamed
    (home / "here/yolov8s.pt").write_bytes(OTHER)
    rows = json.loads(run("list", "yolov8[nsm]", "--json", cwd=home / "here").stdout)
    assert [row["identity"] for row in rows] == ["zoo", "own", None]
    shown = run("list", "yolov8[nsm]", cwd=home / "here").stdout.splitlines()
    assert [line.split()[-1] for line in shown if line.strip().startswith("yolov8")] == ["here", "yours", "-"]
    assert "Your own, and not what the figures are of: yolov8s.pt" in shown


def test_the_advice_for_ones_own_file_leads_on(mirror: Mirror, home: Path, weights: Path, data: Path):
    """The name of the zoo, a file of one's own in the folder: refused, and what is advised then works."""
    resaved(weights / "yolov8n.pt", home / "here/yolov8n.pt")
    mirror.files["/releases/v8.4.0/yolov8n.pt"] = (weights / "yolov8n.pt").read_bytes()
    pictures = sorted((data / "calib-coco").glob("*.jpg"))[:2]
    mirror.files["/releases/v0.0.0/coco128.zip"] = zipped(
        *((f"coco128/{p.name}", p.read_bytes(), 0o644) for p in pictures)
    )
    environment = mirror.env(home, OMP_NUM_THREADS="1")
    quick = ("--soc", "rk3588", "--imgsz", "128", "--no-verify", "--calib-images", "2")

    def cli(*args: object):
        return run(*args, cwd=home / "here", env=environment)

    out = cli("convert", "yolov8n", *quick)
    assert out.returncode == 2 and "your own model" in out.stderr and "e2erknn fetch yolov8n" in out.stderr
    out = cli("convert", "yolov8n", *quick, "--calib", data / "calib-coco", "-o", "own")
    assert out.returncode == 0, out.stderr
    own = read_bundle(home / "here/own/yolov8n_rknn_model")
    assert "license" not in own.origin and "zoo" not in own.origin and identity_of_bundle(own) == OWN
    assert cli("fetch", "yolov8n").returncode == 0
    out = cli("convert", "yolov8n", *quick)
    assert out.returncode == 0 and "for your own file of that name give ./yolov8n.pt" in out.stderr, out.stderr
    theirs = read_bundle(home / "here/yolov8n_rknn_model")
    assert theirs.weights_sha256 == sha256(weights / "yolov8n.pt") != own.weights_sha256
    assert (theirs.origin["license"], theirs.origin["zoo"]) == ("AGPL-3.0", "yolov8n")
    assert identity_of_bundle(theirs) == Identity(catalogue()["yolov8n"], proven=True)


def test_a_pose_model_of_ones_own_has_no_joints_of_the_zoos(home: Path, models: Path):
    """Four points in a file called as the starter model of seven."""
    from ultralytics.nn.tasks import PoseModel

    from rknn_zoo_e2e.checkpoint.source import load_source

    model = PoseModel("yolov8n-pose.yaml", nc=1, data_kpt_shape=(4, 3), verbose=False)
    model.names, model.args, model.task = {0: "sheet"}, {"imgsz": 320}, "pose"
    torch.save({"model": model.half(), "train_args": {"imgsz": 320}}, "shapes-pose.pt")
    _, spec = load_source(resolve("shapes-pose.pt"))
    assert spec.kpt_shape == (4, 3) and spec.skeleton == ()
    check_model(spec)
    assert info(home / "here", "./shapes-pose.pt")["identity"] == "own"
    _, spec = load_source(resolve("shapes-pose"))  # by its name it is the starter model all the same
    assert spec.kpt_shape == (7, 3) and (1, 4) in spec.skeleton
