"""What people type, in the command or in Python: taken as it is meant, or refused early and in words."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from support.cli import cost_of, cpu_seconds, run

from rknn_zoo_e2e import convert, load
from rknn_zoo_e2e.conversion.options import Options
from rknn_zoo_e2e.errors import UsageError
from rknn_zoo_e2e.runtime.options import count
from rknn_zoo_e2e.tasks.base import Thresholds
from rknn_zoo_e2e.tasks.spec import ModelSpec, read_imgsz, split

SIZES = [
    (None, None),
    ("640", (640, 640)),
    (" 640 ", (640, 640)),
    ("480,640", (480, 640)),
    ("480, 640", (480, 640)),
    ("480x640", (480, 640)),
    ("480X640", (480, 640)),
    (640, (640, 640)),
    (np.int64(640), (640, 640)),
    ((480, 640), (480, 640)),
    ([480, 640], (480, 640)),
    ([640], (640, 640)),
    (np.array([480, 640]), (480, 640)),
]


@pytest.mark.parametrize(("typed", "meant"), SIZES)
def test_sizes(typed, meant):
    found = read_imgsz(typed)
    assert found == meant and (found is None or all(type(side) is int for side in found))


NO_SIZES = [
    "²",
    "６４０",
    "٦٤٠",
    "",
    "640x",
    "x640",
    "640,640,3",
    "1e3",
    "640.0",
    "-640",
    "9" * 400,
    "wide",
    "640 640",
]
NO_SIZES += [640.0, math.nan, True, (), (1, 2, 3), [640, 640.5], ["640"], [None], b"640", {}, object()]


@pytest.mark.parametrize("typed", NO_SIZES, ids=lambda typed: str(typed)[:12])
def test_no_sizes(typed):
    with pytest.raises(UsageError, match="is not an input size") as refused:
        read_imgsz(typed)
    assert len(refused.value.what) < 90


@pytest.mark.slow
@pytest.mark.parametrize("typed", ["²", "６４０", "640x", "1e3", "9" * 5000, "640,640,3", "-32", "8224", "0", "0,32"])
@pytest.mark.parametrize("command", ["convert", "eval", "demo"])
def test_a_wrong_size_is_refused_by_every_command(tmp_path: Path, models: Path, command, typed):
    args = {"convert": ["shapes", "--soc", "rk3566"], "eval": ["shapes", "--data", "x.yaml", "--backend", "torch"]}
    words = args.get(command, [models / "sample.jpg", "--model", "shapes", "--backend", "torch"])
    out = run(command, *words, f"--imgsz={typed}", cwd=tmp_path)
    assert out.returncode == 2 and "bug" not in out.stderr and "Traceback" not in out.stderr, out.stderr
    assert not list(tmp_path.iterdir())


OPTIONS = [
    ({"socs": "rk3566"}, "socs", ["rk3566"]),
    ({"socs": "RK3566, rk3588 ,rk3566,"}, "socs", ["rk3566", "rk3588"]),
    ({"socs": ["rk3566,rk3588", "rv1106"]}, "socs", ["rk3566", "rk3588", "rv1106"]),
    ({"socs": ("rk3566", "RK3566")}, "socs", ["rk3566"]),
    ({"precision": "INT8"}, "precision", "int8"),
    ({"precision": " Fp16 "}, "precision", "fp16"),
    ({"layout": "GRID"}, "layout", "grid"),
    ({"layout": None}, "layout", None),  # each SoC's own
    ({"imgsz": [320, 640]}, "imgsz", (320, 640)),
    ({"calib_images": np.int32(5)}, "calib_images", 5),
    ({"calib": "~"}, "calib", Path.home()),
    ({"calib": "coco8.yaml"}, "calib", Path("coco8.yaml")),  # Ultralytics' own
    ({"out": "~"}, "out", Path.home()),
]


@pytest.mark.parametrize(("given", "key", "meant"), OPTIONS)
def test_options(given, key, meant):
    found = getattr(Options.of(**{"socs": "rk3566", **given}), key)
    assert ([soc.name for soc in found] if key == "socs" else found) == meant


NO_OPTIONS = [
    ({"socs": []}, "No SoC"),
    ({"socs": ""}, "No SoC"),
    ({"socs": " , "}, "No SoC"),
    ({"socs": "rk3566,rk9"}, "rk9"),
    ({"socs": 3566}, "3566"),
    ({"socs": None}, "None"),
    ({"precision": "int4"}, "not a precision"),
    ({"precision": None}, "not a precision"),
    ({"precision": 8}, "not a precision"),
    ({"precision": "fp16", "socs": "rk3566,rv1106"}, "no fp16"),
    ({"layout": "round"}, "not a layout"),
    ({"imgsz": 8224}, "larger than 8192"),
    ({"imgsz": (64, 10**8)}, "larger than 8192"),
    ({"imgsz": 600}, "--imgsz 608"),
    ({"imgsz": 0}, "--imgsz 32"),
    ({"imgsz": "0x280"}, "--imgsz 32,288"),
    ({"imgsz": -320}, "--imgsz 32"),
    ({"imgsz": 640.0}, "not an input size"),
    ({"calib_images": 0}, "--calib-images 0"),
    ({"calib_images": -1}, "--calib-images -1"),
    ({"calib_images": 2.5}, "--calib-images 2.5"),
    ({"calib_images": "8"}, "--calib-images '8'"),
    ({"calib_images": True}, "--calib-images True"),
    ({"calib": ""}, "--calib '' is not a path"),
    ({"calib": 5}, "--calib 5 is not a path"),
    ({"calib": ["a.jpg"]}, "is not a path"),
    ({"out": ""}, "--out '' is not a path"),
    ({"jobs": 0}, "--jobs 0"),
    ({"time_limit": 0}, "--time-limit 0"),
    ({"time_limit": math.nan}, "--time-limit nan"),
    ({"time_limit": None}, "--time-limit None"),
]


@pytest.mark.parametrize(("given", "said"), NO_OPTIONS, ids=str)
def test_no_options(given, said):
    with pytest.raises(UsageError) as refused:
        Options.of(**{"socs": "rk3566", **given})
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--soc", "rk3566,rk9"], "rk9"),
        (["--soc", ","], "No SoC"),
        (["--soc=rk3566", "--calib="], "is not a path"),
        (["--soc=rk3566", "--calib=~/no-such-folder"], f"{Path.home()}/no-such-folder does not exist"),
        (["--soc=rk3566", "--calib-images=0"], "0"),
        (["--soc=rk3566", "--calib-images=²"], "²"),
        (["--soc=rk3566", "--jobs=0"], "0"),
        (["--soc=RV1106", "--precision=FP16"], "no fp16"),
    ],
)
def test_the_command_refuses_the_same(tmp_path: Path, args, said):
    heavy = cost_of("torch")
    start = cpu_seconds()
    out = run("convert", "shapes", *args, cwd=tmp_path)
    assert out.returncode == (1 if "does not exist" in said else 2) and said in out.stderr, out.stderr
    assert cpu_seconds() - start < heavy and not list(tmp_path.iterdir()) and "Traceback" not in out.stderr


def test_python_refuses_the_same(tmp_path: Path):
    wrong = [{"calib_images": 0}, {"imgsz": 8224}, {"socs": []}, {"precision": "INT9"}, {"layout": "x"}]
    for given in wrong:
        with pytest.raises(UsageError):
            convert(**{"model": "shapes", "socs": "rk3566", "out": tmp_path, **given})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"backend": "cuda"}, "not a backend"),
        ({"backend": None}, "not a backend"),
        ({"soc": "rk9"}, "rk9"),
        ({"precision": "fp8"}, "not a precision"),
        ({"imgsz": "²"}, "not an input size"),
    ],
)
def test_load_refuses_what_means_nothing_first(tmp_path: Path, given, said):
    with pytest.raises(UsageError) as refused:
        load(tmp_path / "nothing_rknn_model", **given)
    assert said in str(refused.value)


def test_load_takes_words_in_any_case(converted: Path, models: Path):
    bundle = converted / "shapes_rknn_model"
    with load(
        bundle, backend="ONNX ", soc="RK3566", precision="INT8", thresholds=Thresholds(classes="0, ellipse")
    ) as one:
        assert one.backend == "onnx" and one.artifact.soc == "rk3566" and one.thresholds.classes == (0, 2)
    with load("shapes", backend="Torch", imgsz=256) as one:
        assert one.spec.imgsz == (256, 256) and set(one(models / "sample.jpg").class_ids) <= set(range(5))


@pytest.mark.parametrize("cores", ["²", "٢", "0", "-1", "1.5", "", "9" * 5000, 0, 1.0, None])
def test_no_numbers_of_cores(cores):
    with pytest.raises(UsageError, match="cores cannot be used here"):
        count(cores, 3)


@pytest.mark.parametrize(("cores", "meant"), [("all", 3), ("ALL", 3), ("2", 2), (2, 2), (np.int64(3), 3)])
def test_numbers_of_cores(cores, meant):
    assert count(cores, 3) == meant


THRESHOLDS = [
    {"conf": "0.5"},
    {"conf": None},
    {"conf": math.nan},
    {"conf": True},
    {"conf": -0.1},
    {"iou": 1.5},
    {"iou": "x"},
]
THRESHOLDS += [
    {"max_det": 0},
    {"max_det": 1.5},
    {"max_det": "9"},
    {"max_det": None},
    {"max_det": True},
    {"conf": [0.5]},
]


@pytest.mark.parametrize("given", THRESHOLDS, ids=str)
def test_no_thresholds(given):
    with pytest.raises(UsageError):
        Thresholds(**given)


def test_thresholds_of_numpy():
    given = Thresholds(np.float32(0.5), np.float64(0.5), np.int64(3), np.array([0, 1]))
    assert given == Thresholds(0.5, 0.5, 3, (0, 1))


SPEC = ModelSpec("m", "detect", ("person", "0,1", "a, b", "7", "Bus", "bus", "naïve"), (64, 64))
CLASSES = [
    (["0"], (0,)),
    (["person"], (0,)),
    (["PERSON"], (0,)),
    (["0,1"], (1,)),  # it is called so
    (["1,0"], (1, 0)),
    (["0, 2"], (0, 2)),
    (["a, b"], (2,)),
    (["A, B,person"], (2, 0)),
    (["person,a, b,4"], (0, 2, 4)),
    (["7"], (3,)),  # called so
    ([7], None),
    ([3], (3,)),
    (["Bus"], (4,)),
    (["bus"], (5,)),
    (["BUS"], (5,)),
    (["person,"], (0,)),
    ([" person , bus "], (0, 5)),
    (["person", "person,0"], (0,)),
    ("person,bus", (0, 5)),
    (0, (0,)),
    (np.int64(4), (4,)),
    (np.array([0, 4]), (0, 4)),
    (["²"], None),
    (["٠"], None),
    (["-1"], None),
    ([-1], None),
    ([True], None),
    ([1.0], None),
    ([None], None),
    (["9" * 5000], None),
    (["99"], None),
    (["0,99"], None),
    (["cat"], None),
    (["", " , "], None),
    ([], None),
]


@pytest.mark.parametrize(("typed", "meant"), CLASSES, ids=lambda value: str(value)[:20])
def test_classes(typed, meant):
    if meant is not None:
        assert SPEC.class_ids(typed) == meant
        return
    with pytest.raises(UsageError, match="has no class"):
        SPEC.class_ids(typed)


@pytest.mark.parametrize(
    ("text", "known", "words"),
    [
        ("a", (), ["a"]),
        ("a,b", (), ["a", "b"]),
        (" a , b ,", (), ["a", "b"]),
        (",,", (), []),
        ("a,b,c", ("a,b",), ["a,b", "c"]),
        ("c,A,B", ("a,b",), ["c", "A,B"]),
        ("a,b,c", ("b,c", "a,b,c"), ["a,b,c"]),
    ],
)
def test_lists_with_commas(text, known, words):
    assert split(text, known) == words


@pytest.mark.slow
def test_demo_takes_classes_with_commas(converted: Path, models: Path, tmp_path: Path):
    import json

    found = {}
    for classes in ([], ["--classes", "0,ellipse,Arrow"], ["--classes", "0", "--classes", "2", "--classes", "4"]):
        args = ("demo", models / "sample.jpg", "-m", converted / "shapes_rknn_model", "--backend", "ONNX", "--json")
        out = run(*args, *classes, "--no-save", cwd=tmp_path)
        assert out.returncode == 0, out.stderr
        found[" ".join(classes)] = [d["class_id"] for d in json.loads(out.stdout)["images"][0]["detections"]]
    whole, *chosen = found.values()
    assert chosen[0] == chosen[1] == [one for one in whole if one in (0, 2, 4)] and len(chosen[0]) < len(whole)
