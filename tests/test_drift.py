"""What is installed is what was tried, and what this project uses of Ultralytics beyond its public API is there.

The matrix of versions (scripts/matrix.py) needs minutes a version; this fails in seconds, and says what went away.
"""

from __future__ import annotations

import inspect
import re
import sys
from importlib import import_module, metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from rknn_zoo_e2e import __version__
from rknn_zoo_e2e.boards.environment import TOOLKITS, fits, read_host, requirements, version_of
from rknn_zoo_e2e.boards.install import offered

# (where, what of it is used): a module or class, its attributes; "name(argument)" is a function with that argument.
USED = [
    ("ultralytics.nn.tasks", ["torch_load", "load_checkpoint"]),  # the loader's door, kept by checkpoint/load.py
    ("ultralytics.nn.tasks:BaseModel", ["fuse(verbose)"]),
    ("ultralytics.nn.modules.head:Detect", ["one2many", "one2one", "end2end", "postprocess"]),
    ("ultralytics.nn.modules.head", ["v10Detect", "Pose", "Pose26", "Segment", "Segment26", "OBB", "OBB26"]),
    ("ultralytics.nn.modules.block", ["Proto26", "Attention", "AAttn"]),
    ("ultralytics.data.utils", ["check_det_dataset(autodownload)", "check_det_dataset(split)"]),
    ("ultralytics.data.dataset", ["load_dataset_cache_file", "save_dataset_cache_file"]),
    ("ultralytics.models.yolo.detect:DetectionValidator", ["init_metrics", "update_metrics", "get_stats"]),
    ("ultralytics.models.yolo.pose:PoseValidator", ["postprocess", "preprocess"]),
    ("ultralytics.models.yolo.segment:SegmentationValidator", ["postprocess", "preprocess"]),
    ("ultralytics.models.yolo.obb:OBBValidator", ["postprocess", "preprocess"]),
    ("ultralytics.utils", ["ASSETS", "IterableSimpleNamespace"]),
    ("ultralytics.utils.loss", []),
    ("ultralytics.utils.tal", ["dist2bbox", "dist2rbox"]),
]
# What a head, and a block of attention, is made of, read by the tails that take their place.
HEADS = {
    "yolov8n.yaml": ("Detect", {"box_head", "cls_head"}),
    "yolo26n.yaml": ("Detect", {"box_head", "cls_head"}),
    "yolov10n.yaml": ("v10Detect", {"box_head", "cls_head"}),
    "yolov8n-pose.yaml": ("Pose", {"box_head", "cls_head", "pose_head"}),
    "yolo26n-pose.yaml": ("Pose26", {"box_head", "cls_head", "pose_head", "kpts_head"}),
    "yolov8n-seg.yaml": ("Segment", {"box_head", "cls_head", "mask_head"}),
    "yolo26n-seg.yaml": ("Segment26", {"box_head", "cls_head", "mask_head"}),
    "yolov8n-obb.yaml": ("OBB", {"box_head", "cls_head", "angle_head"}),
    "yolo26n-obb.yaml": ("OBB26", {"box_head", "cls_head", "angle_head"}),
}
ATTENTION = {
    "Attention": ("num_heads", "key_dim", "head_dim", "scale", "qkv", "pe", "proj"),
    "AAttn": ("num_heads", "head_dim", "area", "qkv", "pe", "proj"),
}


def found(where: str) -> object:
    module, _, name = where.partition(":")
    return getattr(import_module(module), name) if name else import_module(module)


def missing(owner: object, used: list[str]) -> list[str]:
    """What of ``used`` is not there."""
    gone = []
    for entry in used:
        name, argument = re.fullmatch(r"(\w+)(?:\((\w+)\))?", entry).groups()
        there = hasattr(owner, name)
        if not there or (argument and argument not in inspect.signature(getattr(owner, name)).parameters):
            gone.append(entry)
    return gone


@pytest.mark.parametrize(("where", "used"), USED, ids=[where for where, _ in USED])
def test_what_is_used_of_ultralytics_is_there(where, used):
    gone = missing(found(where), used)
    assert not gone, f"ultralytics {version_of('ultralytics')} has no {gone} in {where} any more"


@pytest.mark.parametrize("config", HEADS)
def test_heads_have_the_branches_that_are_read(config):
    from ultralytics.nn import tasks
    from ultralytics.nn.tasks import guess_model_task, yaml_model_load

    kinds = {"detect": "DetectionModel", "pose": "PoseModel", "segment": "SegmentationModel", "obb": "OBBModel"}
    settings = yaml_model_load(config)
    head = getattr(tasks, kinds[guess_model_task(settings)])(settings, verbose=False).model[-1]
    name, branches = HEADS[config]
    assert type(head).__name__ == name and branches <= set(head.one2many)
    if "26" in config or "v10" in config:
        assert branches <= set(head.one2one) and (head.reg_max == 1) == ("26" in config)
        for told in (False, True):  # which branches answer can be told
            head.end2end = told
            assert bool(head.end2end) is told
    assert (hasattr(head, "proto"), hasattr(head, "kpt_shape")) == ("Seg" in name, "Pose" in name)


@pytest.mark.parametrize("kind", ATTENTION)
def test_attention_is_made_as_it_is_rewritten(kind):
    from ultralytics.nn.modules import block

    attention = getattr(block, kind)(128, num_heads=2)
    assert [name for name in ATTENTION[kind] if not hasattr(attention, name)] == []


def test_a_missing_part_is_named():
    def old(weight):
        return weight

    assert missing(SimpleNamespace(load=old), ["load(weight)", "load(device)", "fuse"]) == ["load(device)", "fuse"]


def test_installed_versions_are_inside_what_the_project_asks_for():
    host = read_host()
    bounds = {package.name: package.bounds for package in (host.python, *host.packages)} | {"rknn-toolkit2": TOOLKITS}
    installed = {package.name: package.version or "0" for package in (host.python, *host.packages)}
    assert {name: installed[name] for name in bounds if not fits(installed[name], bounds[name])} == {}


def test_the_metadata_names_the_pythons_it_allows():
    meta = metadata.metadata("rknn-zoo-e2e")
    named = {c.rpartition(" ")[2] for c in meta.get_all("Classifier") if re.search(r"Python :: 3\.\d+$", c)}
    allowed = {f"3.{minor}" for minor in range(30) if fits(f"3.{minor}", meta["Requires-Python"])}
    assert named == allowed == {"3.10", "3.11", "3.12", "3.13", "3.14"} and f"3.{sys.version_info.minor}" in named


def test_what_the_vendor_has_for_older_pythons_only_says_so():
    """Its wheels are for 3.10 to 3.12; the other extras are for all."""
    for extra in ("convert", "board", "onnx", "hub"):
        pythons = [minor for minor in range(10, 15) if offered(extra, f"3.{minor}.0")]
        assert pythons == [10, 11, 12] + ([] if extra in ("convert", "board") else [13, 14]), extra


def test_the_version_stands_in_one_place():
    """A wheel takes it from there; an editable install that is older than the last release has to be made again."""
    root = Path(__file__).parent.parent
    assert metadata.version("rknn-zoo-e2e") == __version__, "Install it again: bash scripts/test.sh"
    assert __version__ not in (root / "pyproject.toml").read_text("utf-8")
    assert f"\n## {__version__}\n" in (root / "CHANGELOG.md").read_text("utf-8")
    assert f"project(e2erknn VERSION {__version__} " in (root / "cpp" / "CMakeLists.txt").read_text("utf-8")


def test_the_default_toolkit_is_one_that_was_tried():
    bounds = requirements("rknn-zoo-e2e", "convert")["rknn-toolkit2"]
    assert fits("2.3.2", bounds) and fits("2.3.2", TOOLKITS) and fits("2.5.0", TOOLKITS) and not fits("2.5.0", bounds)


def test_the_code_is_python_3_10():
    """Nothing newer than the oldest Python that is allowed: each file compiles with its grammar."""
    import ast

    root = Path(__file__).parent.parent
    newer = {}
    for path in [*root.glob("rknn_zoo_e2e/**/*.py"), *root.glob("scripts/*.py")]:
        try:
            ast.parse(path.read_text("utf-8"), str(path), feature_version=(3, 10))
        except SyntaxError as error:
            newer[path.name] = str(error)
    assert not newer
