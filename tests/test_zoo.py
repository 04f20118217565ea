"""The catalogue: every card holds, every wrong one is refused by file, model and key, every name can be built."""

from __future__ import annotations

import json
import os
from pathlib import Path

import onnx
import pytest
import torch
import yaml
from support.cli import run
from support.untrained import BUILDERS, config_of

from rknn_zoo_e2e.bundle.model import METADATA
from rknn_zoo_e2e.errors import UsageError
from rknn_zoo_e2e.files.checksum import sha256
from rknn_zoo_e2e.zoo import asset, calibration_sets, catalogue, local_weights, matching, nearest, resolve
from rknn_zoo_e2e.zoo.card_reader import read_family
from rknn_zoo_e2e.zoo.cards import CardError

SIZES = "nsmlx"
SUFFIXES = {"detect": "", "pose": "-pose", "segment": "-seg", "obb": "-obb"}
# Family and task of Ultralytics' models, and what stands between the family and the task's suffix, from small to large.
FAMILIES = {
    **{(family, task): SIZES for family in ("yolov8", "yolo11", "yolo26") for task in SUFFIXES},
    ("yolov3", "detect"): ("-tinyu", "u", "-sppu"),
    ("yolov5", "detect"): ("nu", "su", "mu", "lu", "xu"),
    ("yolov5", "detect", 1280): ("n6u", "s6u", "m6u", "l6u", "x6u"),
    ("yolov9", "detect"): "tsmce",
    ("yolov9", "segment"): "ce",
    ("yolov10", "detect"): "nsmblx",
    ("yolo12", "detect"): SIZES,
}
NAMES = {key: [f"{key[0]}{size}{SUFFIXES[key[1]]}" for size in sizes] for key, sizes in FAMILIES.items()}
OFFICIAL = [name for names in NAMES.values() for name in names]
ON_THE_HUB = ("yolov8", "yolo11", "yolo26")
NOT_PUBLISHED = {  # neither params nor accuracy of YOLOv3u; gflops of a fourth level at another size than the model's
    "gflops": [*NAMES["yolov3", "detect"], *NAMES["yolov5", "detect", 1280]],
    "metrics": NAMES["yolov3", "detect"],
}


def test_every_entry_resolves(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert set(catalogue()) >= {*OFFICIAL, "shapes", "shapes-pose", "shapes-seg", "shapes-obb"} and len(OFFICIAL) == 91
    assert all(card.shipped or card.hub or card.release for card in catalogue().values())
    for (family, task, *size), names in NAMES.items():
        for card in (catalogue()[name] for name in names):
            assert (card.family, card.task) == (family, task) and card.license == "AGPL-3.0"
            assert card.imgsz == (size[0] if size else 1024 if task == "obb" else 640)
            assert card.params and card.calibration in calibration_sets()
            assert bool(card.measured_on) == bool(card.metrics)
            for figure in ("gflops", "metrics"):
                assert bool(getattr(card, figure)) == (card.name not in NOT_PUBLISHED[figure])
            assert card.release and card.release.file == f"{card.name}.pt" and asset(card.name).release == card.release
            assert bool(card.base_model) == (family in ON_THE_HUB)
            # The Hub's repository of YOLOv8 has only the detect models.
            assert bool(card.hub) == (family in ON_THE_HUB and not (family == "yolov8" and task != "detect"))
            assert card.hub is None or (card.hub.repo, card.hub.file) == (card.base_model, f"{card.name}.pt")
    for card in matching("shapes*"):
        source = local_weights(card)
        assert source and source.path == card.shipped and source.path.is_file()
        assert card.sha256 == sha256(source.path) and source.identity.kind == "zoo"


@pytest.mark.slow
def test_a_built_model_is_no_checkpoint(tmp_path: Path):
    """What to give instead is said; within a bundle it is the bundle."""
    lone, bundle = tmp_path / "lone.rknn", tmp_path / "a_rknn_model"
    bundle.mkdir()
    for path in (lone, bundle / "model.onnx", bundle / METADATA):
        path.write_bytes(b"-")
    out = run("convert", lone, "--soc", "rk3566", cwd=tmp_path)
    assert out.returncode == 2 and "is a built model, not a checkpoint" in out.stderr
    for command in (("bench",), ("inspect",)):
        out = run(*command, bundle / "model.onnx", cwd=tmp_path)
        assert out.returncode and str(bundle) in out.stderr.splitlines()[-1], out.stderr


def test_figures_grow_with_the_size():
    """A slip of the pen in a table of figures would most likely break this."""
    for key, names in NAMES.items():
        cards = [catalogue()[name] for name in names]
        for figure in ("params", "gflops"):
            values = [getattr(card, figure) for card in cards]
            assert None in values or values == sorted(values), (key, figure)
        for kind, values in cards[0].metrics.items():
            for name in values:
                found = [card.metrics[kind][name] for card in cards]
                assert found == sorted(found), (key, kind, name)


@pytest.fixture
def one_thread():
    """Threads only wait for each other on 64 x 64 px."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def strides(name: str) -> tuple[int, ...]:
    """Px per cell of each of a model's levels."""
    return (16, 32) if name == "yolov3-tinyu" else (8, 16, 32, 64) if name.endswith("6u") else (8, 16, 32)


# Those of a family that are not the same with more channels; the rest take minutes, and are built for docs/zoo.md.
DISTINCT = [name for key, names in NAMES.items() for name in (names if key[0] in ("yolov3", "yolov9") else names[:1])]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in DISTINCT else pytest.mark.long) for name in OFFICIAL]
)
def test_every_model_exports_from_its_architecture(tmp_path: Path, one_thread, name: str):
    """Untrained, offline, through this project's own head; as large as its card says."""
    from rknn_zoo_e2e.checkpoint.describe import spec_of
    from rknn_zoo_e2e.conversion.export import export_onnx
    from rknn_zoo_e2e.tasks.registry import task_of

    card = catalogue()[name]
    model = BUILDERS[SUFFIXES[card.task]](config_of(name), nc=card.classes, verbose=False)
    model.args, model.task = {}, card.task
    if card.family == "yolov8":  # published as trained; the others as fused, without the one-to-many head
        params = sum(p.numel() for p in model.parameters())
    if getattr(model.model[-1], "one2one_cv2", None) is not None:
        model.model[-1].end2end = True
    model.eval().requires_grad_(False).fuse(verbose=False)
    if card.family != "yolov8":
        params = sum(p.numel() for p in model.parameters())
    # Published with one decimal of a million, which larger models have cut, not rounded (yolov5x6u: 155.477 is 155.4).
    assert card.params == pytest.approx(params, abs=60_000 if params < 15e6 else 100_000)
    spec, path = spec_of(model, name, (64, 64)), tmp_path / "model.onnx"
    export_onnx(model, spec, "flat", path)
    graph = onnx.load(path).graph
    path.unlink()  # of the largest 600 MB
    shapes = [[d.dim_value for d in o.type.tensor_type.shape.dim] for o in graph.output]
    assert [o.name for o in graph.output] == [o.name for o in task_of(spec).outputs]
    assert shapes[0] == [1, task_of(spec).outputs[0].count, sum((64 // stride) ** 2 for stride in strides(name))]
    assert spec.stride == max(strides(name)) and card.imgsz % spec.stride == 0
    assert spec.nms_free == (card.family in ("yolov10", "yolo26"))


MODEL = {
    "task": "detect",
    "imgsz": 640,
    "classes": 3,
    "license": "MIT",
    "family": "mine",
    "sources": {"release": {"tag": "v1", "file": "{name}.pt"}},
}
WRONG = [
    ({"task": "classify"}, "mine.yaml: m: task must be one of detect, pose"),
    ({"imgsz": "640"}, "mine.yaml: m: imgsz must be int, not '640'"),
    ({"imgsz": 650}, "imgsz 650 is not a multiple of 32"),
    ({"imgsz": True}, "imgsz must be int"),
    ({"parms": 3}, "mine.yaml: m: unknown key 'parms', did you mean params?"),
    ({"calibration": "coco"}, "calibration must be one of shapes, coco128"),
    ({"metrics": {"box": {"map": 37.3}}}, "metrics lie between 0 and 1"),
    ({"metrics": {"boxes": {}}}, "mine.yaml: m: metrics: unknown key 'boxes', did you mean box?"),
    ({"sources": {"huggingface": {"repo": "a/b"}}}, "mine.yaml: m: sources: huggingface: file is missing"),
    ({"sources": {"release": {"tag": "v1", "file": "x", "url": "y"}}}, "unknown key 'url'"),
    ({"sources": None}, "neither weights nor sources"),
    ({"sha256": "be65"}, "sha256 must be 64 hexadecimal digits in lower case, not 'be65'"),
    ({"sha256": "A" * 64}, "sha256 must be 64 hexadecimal digits in lower case"),
    ({"sha256": 5}, "sha256 must be str, not 5"),
    ({"weights": "m.pt"}, "weights in the package need their sha256"),
    ({"kpt_shape": [7, 3], "skeleton": [[0, 7]]}, "the skeleton joins points that kpt_shape has not"),
    ({"skeleton": [[0, 1]]}, "the skeleton joins points that kpt_shape has not"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_a_wrong_card_is_named(tmp_path: Path, change, message):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"models": {"m": MODEL}}))
    assert [card.name for card in read_family(path, ("coco128",))] == ["m"]
    path.write_text(yaml.safe_dump({"models": {"m": {k: v for k, v in (MODEL | change).items() if v is not None}}}))
    with pytest.raises(CardError, match=message.replace("(", r"\(").replace("?", r"\?")):
        list(read_family(path, ("coco128",)))


def test_a_family_inherits_key_by_key(tmp_path: Path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base/all.yaml").write_text(
        "license: MIT\nsources: {release: {tag: v1, file: '{name}.pt'}}\n"
        "tasks: {detect: {suffix: '', imgsz: 640, classes: 80}, obb: {suffix: -obb, imgsz: 1024, classes: 15}}\n"
    )
    (tmp_path / "mine.yaml").write_text(
        "base: all\nfamily: mine\ntasks:\n  detect: {sizes: {n: {params: 5}, s: {imgsz: 320}}}\n"
        "  obb: {classes: 4, sources: {release: {tag: v2}}, sizes: {n: {}}}\n"
    )
    n, s, obb = read_family(tmp_path / "mine.yaml", ())
    assert (n.name, n.imgsz, n.params, n.license) == ("minen", 640, 5, "MIT") and (s.imgsz, s.params) == (320, None)
    assert (obb.name, obb.classes, obb.release and (obb.release.tag, obb.release.file)) == (
        "minen-obb",
        4,
        ("v2", "minen-obb.pt"),
    )
    (tmp_path / "mine.yaml").write_text("base: all\nfamily: mine\n")
    with pytest.raises(CardError, match=r"mine\.yaml: detect: sizes is missing"):
        list(read_family(tmp_path / "mine.yaml", ()))
    (tmp_path / "mine.yaml").write_text("base: all\nfamily: mine\ntasks: {obb: {sizes: {n: {}}}}\n")
    assert [card.name for card in read_family(tmp_path / "mine.yaml", ())] == ["minen-obb"]  # none of detect
    (tmp_path / "mine.yaml").write_text("base: all\nfamily: mine\ntasks: {obb: {sizes: {n: {}}}, detect: {}}\n")
    with pytest.raises(CardError, match=r"mine\.yaml: detect: sizes is missing"):
        list(read_family(tmp_path / "mine.yaml", ()))


@pytest.mark.slow
def test_list_and_its_hints(tmp_path: Path):
    rows = json.loads(run("list", "yolo11*-seg", "--json", cwd=tmp_path).stdout)
    assert [row["name"] for row in rows] == [f"yolo11{size}-seg" for size in SIZES]
    assert rows[0]["params"] == 2_900_000 and rows[0]["gflops"] == 9.7 and rows[0]["metrics"]["mask"] == {"map": 0.32}
    rows = json.loads(run("list", "--task", "obb", "--json", cwd=tmp_path).stdout)
    assert {row["name"] for row in rows} == {card.name for card in catalogue().values() if card.task == "obb"}
    assert len(json.loads(run("list", "YOLO11*-Seg", "--json", cwd=tmp_path).stdout)) == 5
    for args, hint in (
        (["yolo11n-sge"], "Did you mean yolo11n-seg"),
        (["--task", "segmnt"], "detect, pose, segment, obb"),
    ):
        out = run("list", *args, cwd=tmp_path)
        assert out.returncode == 2 and hint in out.stderr


def test_info_of_a_model_that_is_not_here(tmp_path: Path):
    environment = {**os.environ, "COLUMNS": "200", "E2ERKNN_WEIGHTS": "", "XDG_CACHE_HOME": str(tmp_path)}
    out = run("info", "yolov8n-pose", "--json", cwd=tmp_path, env=environment)
    facts = json.loads(out.stdout)
    assert facts["task"] == "pose" and facts["metrics"] == {"pose": {"map50": 0.801, "map": 0.504}}
    assert facts["sources"] == {"huggingface": None, "release": {"tag": "v8.4.0", "file": "yolov8n-pose.pt"}}
    shown = run("info", "yolo26n", cwd=tmp_path, env=environment).stdout
    assert "hf:Ultralytics/YOLO26/yolo26n.pt, else release v8.4.0/yolo26n.pt" in shown and "2.40 M" in shown


# Spellings people use -> the first model that is proposed.
SPELLINGS = {
    "yolo8n": "yolov8n", "yolov11n": "yolo11n", "yolo-v8n": "yolov8n", "yolo_v8_n": "yolov8n", 
   
 "YOLO8N-Pose": "yolov8n-pose",
    "yolov26n-obb": "yolo26n-obb", "v8n": "yolov8n", "yolov8n_seg": "yolov8n-seg", "yolov8n-segment": "yolov8n-seg",
    "yolo11npose": "yolo11n-pose", "yolov11x-segmentation": "yolo11x-seg", "yolov8nn": "yolov8n", "shape": "shapes",
    "yolov5n": "yolov5nu", "yolov5n6": "yolov5n6u", "yolo5-xu": "yolov5xu", "yolov3": "yolov3u",
    "yolov3-tiny": "yolov3-tinyu", "v9c-segment": "yolov9c-seg", "yolo10b": "yolov10b", "yolov12n": "yolo12n",
    "coco-128": "coco128",
}  # fmt: skip


@pytest.mark.parametrize("typed", SPELLINGS)
def test_spellings_are_understood(home: Path, typed: str):
    assert nearest(typed).startswith(f"Did you mean {SPELLINGS[typed]}")
    with pytest.raises(UsageError, match="neither a model") as error:
        resolve(typed)
    assert SPELLINGS[typed] in error.value.fix
    with pytest.raises(UsageError, match="is not a file") as error:
        resolve(f"{typed}.pt")
    assert SPELLINGS[typed] in error.value.fix


@pytest.mark.parametrize("typed", ["yolov8n.pt", "YOLOv8n.pt", "yolov8n.PT", "runs/yolov8n.pt"])
def test_a_name_with_pt_that_is_not_there(home: Path, typed: str):
    with pytest.raises(UsageError, match="is not a file") as error:
        resolve(typed)
    assert error.value.fix.endswith("The zoo's model is named without .pt: yolov8n")


@pytest.mark.slow
def test_case_aside(tmp_path: Path):
    rows = json.loads(run("fetch", "Shapes", "SHAPES", "--json", cwd=tmp_path).stdout)["models"]
    assert [row["name"] for row in rows] == ["shapes"]
    assert json.loads(run("info", "SHAPES-Pose", "--json", cwd=tmp_path).stdout)["model"] == "shapes-pose"


# What people give for a checkpoint -> what is said of it, and what to give instead.
NO_CHECKPOINT = {
    "runs/train": ("is a folder", "runs/train/weights/best.pt"),
    "kept": ("is a folder", "kept/a.pt"),
    "empty": ("is a folder", "e2erknn list"),
    "hf:me/yolov8n-rknn": ("is a bundle on the Hub", "demo IMAGE --model hf:me/yolov8n-rknn"),
    "https://host/yolov8n.pt": ("is an address", "Download"),
}


@pytest.mark.parametrize("given", NO_CHECKPOINT)
def test_what_is_no_checkpoint_is_named(home: Path, given: str):
    for file in ("runs/train/weights/best.pt", "runs/train/weights/last.pt", "kept/b.pt", "kept/a.pt", "empty/x.txt"):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).touch()
    what, instead = NO_CHECKPOINT[given]
    with pytest.raises(UsageError, match=what) as error:
        resolve(given)
    assert instead in error.value.fix
