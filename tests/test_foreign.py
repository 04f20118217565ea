"""Old, odd and foreign checkpoints: what loads, what is said of the rest, and where that leads."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import urllib.request
from _compat_pickle import IMPORT_MAPPING
from pathlib import Path

import pytest
import torch
from support import foreign, hostile
from torch import nn
from ultralytics.nn.modules.conv import Conv
from ultralytics.nn.modules.head import Detect, Pose

from rknn_zoo_e2e.checkpoint.describe import spec_of, training_size
from rknn_zoo_e2e.checkpoint.globals import stand_in
from rknn_zoo_e2e.checkpoint.load import TRUST, load_model
from rknn_zoo_e2e.checkpoint.refusals import RunsCode
from rknn_zoo_e2e.checkpoint.source import load_source
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.zoo import Source


def told(path: Path, trusted: bool = False) -> UserError | None:
    """What the user is told of a checkpoint; nothing if it can be used."""
    try:
        load_source(Source(path, path.stem, trusted=trusted))
    except UserError as error:
        return error
    return None


@pytest.mark.parametrize("kind", foreign.TOLD)
def test_a_file_is_called_what_it_is(tmp_path: Path, kind):
    with pytest.raises(UserError, match=rf"x\.pt .*{foreign.TOLD[kind]}") as error:
        load_model(foreign.write(tmp_path, kind))
    assert error.value.exit_code == 1 and error.value.what.count(". ") == 0


def attack(folder: Path, kind: str) -> Path:
    """A hostile file, or one of a layer nobody can import."""
    touched = folder / "touched"
    if kind in (calls := hostile.calls(touched)):
        torch.save({"model": calls[kind]}, folder / "x.pt")
        return folder / "x.pt"
    return hostile.archive(folder / "x.pt", hostile.opcodes(f"touch {touched}")[kind])


def old_form(folder: Path) -> Path:
    torch.save(torch.load(hostile.SHAPES, weights_only=False), folder / "x.pt", _use_new_zipfile_serialization=False)
    return folder / "x.pt"


def old_form_with_sources(folder: Path) -> Path:
    """Its layers come before its tensors, each class with its source."""
    torch.save({"model": foreign.starter()}, folder / "x.pt", _use_new_zipfile_serialization=False)
    return folder / "x.pt"


def of_here(folder: Path) -> Path:
    model = foreign.starter()
    model.model[0].add_module("own", Own())
    return foreign.save(folder / "x.pt", model)


class Own(nn.Module):
    """A layer that can be imported."""


REFUSALS = {
    **{kind: lambda folder, kind=kind: foreign.write(folder, kind) for kind in foreign.TOLD},
    **{
        f"hostile: {kind}": lambda folder, kind=kind: attack(folder, kind)
        for kind in [*hostile.calls(Path()), *hostile.opcodes("")]
    },
    "the form of torch before 1.6": old_form,
    "the form of torch before 1.6, with sources": old_form_with_sources,
    "a layer that can be imported": of_here,
}
HELPED = {
    "the form of torch before 1.6",
    "the form of torch before 1.6, with sources",
    "a layer that can be imported",
}  # by trust


@pytest.mark.slow
@pytest.mark.parametrize("kind", REFUSALS)
def test_no_advice_leads_in_a_circle(tmp_path: Path, kind):
    path = REFUSALS[kind](tmp_path)
    first, second = told(path), told(path, trusted=True)
    assert first is not None and (second is None) == (kind in HELPED), second
    if second is not None:
        assert TRUST not in second.fix, second
        assert TRUST not in first.fix or str(first) != str(second)


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("name", ["shapes", "shapes-pose", "shapes-seg", "shapes-obb"])
def test_heads_as_ultralytics_kept_them_until_8_2_5(tmp_path: Path, name, protocol):
    model, x = foreign.starter(name), torch.rand(1, 3, 64, 64)
    expected = load_model(foreign.save(tmp_path / "new.pt", model))(x)
    model.model[-1].detect = Detect.forward
    loaded = load_model(foreign.save(tmp_path / "old.pt", model, protocol))
    assert "detect" not in vars(loaded.model[-1])
    actual = loaded(x)
    for a, e in zip(flat(actual[0]), flat(expected[0]), strict=True):
        assert torch.equal(a, e)


def flat(outputs):
    return outputs if isinstance(outputs, tuple) else (outputs,)


def put(layer: nn.Module, **attributes: object) -> None:
    layer.__dict__.update(attributes)


MISPLACED = {
    "as an activation": lambda m: put(m.model[0], act=Detect.forward),
    "as a method": lambda m: put(m.model[-1], forward=Detect.forward),
    "as a method by another name": lambda m: put(m.model[-1], bias_init=Detect.forward),
    "under another name": lambda m: put(m.model[-1], detected=Detect.forward),
    "as a hook": lambda m: m.model[-1]._forward_hooks.update({1: Detect.forward}),
    "among layers": lambda m: m.model[-1]._modules.update(detect=Detect.forward),
    "in a list": lambda m: put(m.model[-1], detect=[Detect.forward]),
    "in a dictionary": lambda m: put(m.model[-1], detect={"a": Detect.forward}),
    "as a class name": lambda m: m.names.update({0: Detect.forward}),
    "on another layer": lambda m: put(m.model[0], detect=Detect.forward),
    "on the model": lambda m: put(m, detect=Detect.forward),
    "another method": lambda m: put(m.model[-1], detect=Detect.bias_init),
    "another class's": lambda m: put(m.model[-1], detect=Conv.forward),
    "torch's": lambda m: put(m.model[-1], detect=nn.Conv2d.forward),
    "a bound one": lambda m: put(m.model[-1], detect=m.model[-1].forward),
    "a class": lambda m: put(m.model[-1], detect=Detect),
}


@pytest.mark.slow
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("kind", MISPLACED)
def test_a_heads_forward_is_let_in_nowhere_else(tmp_path: Path, kind, protocol):
    model = foreign.starter()
    MISPLACED[kind](model)
    torch.save({"model": model}, tmp_path / "x.pt", pickle_protocol=protocol)
    with pytest.raises(UserError, match="tries to run code when it is loaded"):
        load_model(tmp_path / "x.pt")


@pytest.mark.parametrize("value", [Detect.forward, [Pose.forward], {"a": {"b": Detect.forward}}, nn.Conv2d])
def test_nor_beside_the_model(tmp_path: Path, value):
    with pytest.raises(UserError, match="tries to run code when it is loaded"):
        load_model(foreign.save(tmp_path / "x.pt", foreign.starter(), best=value))


@pytest.mark.slow
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("kind", foreign.LEFTOVERS)
def test_what_nobody_reads_is_left_out(tmp_path: Path, kind, protocol):
    value = foreign.LEFTOVERS[kind]
    path = foreign.save(tmp_path / "x.pt", foreign.starter(), protocol, extra=value, date=value, train_results=[value])
    assert told(path) is None


@pytest.mark.slow
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("function", [os.system, exec, subprocess.Popen, open, urllib.request.urlopen, input])
def test_code_that_nobody_reads_is_refused_all_the_same(tmp_path: Path, function, protocol):
    """Named only, and called: the standard library's code has no place in a checkpoint."""
    for value in (function, hostile.Calls(function, "true")):
        with pytest.raises(UserError, match="tries to run code"):
            load_model(foreign.save(tmp_path / "x.pt", foreign.starter(), protocol, extra=value))


@pytest.mark.parametrize("module", sorted(m for m, now in IMPORT_MAPPING.items() if now in sys.stdlib_module_names))
def test_python_2s_modules_are_those_of_today(module: str):
    """As protocol 2 names them: ``commands.Popen`` is ``subprocess.Popen``."""
    with pytest.raises(RunsCode):
        stand_in(f"{module}.Run")


def test_options_and_losses_of_any_class_are_no_part_of_the_model(tmp_path: Path):
    model = foreign.starter()
    model.args, model.criterion = foreign.Point(), foreign.Point()
    assert told(foreign.save(tmp_path / "x.pt", model)) is None


SAME = {
    "one object twice": lambda m: {"model": m, "ema": m, "train_args": {}},
    "averaged only": lambda m: {"model": None, "ema": m, "train_args": {"imgsz": 320}},
    "another in training": lambda m: {"model": copy.deepcopy(m), "ema": m, "teacher": m},
    "an average that is no model": lambda m: {"model": m, "ema": foreign.Point()},
}


@pytest.mark.parametrize("kind", SAME)
def test_the_model_is_found_wherever_it_is_kept(tmp_path: Path, kind):
    torch.save(SAME[kind](foreign.starter()), tmp_path / "x.pt")
    assert told(tmp_path / "x.pt") is None


SIZES = [
    (640, (640, 640)),
    (640.0, (640, 640)),
    ("640", (640, 640)),
    ([640], (640, 640)),
    ((480, 640), (480, 640)),
    (["480", "640"], (480, 640)),
    ("480,640", (480, 640)),
    ("[480, 640]", (480, 640)),
    (None, None),
    (True, None),
    (0, None),
    (-640, None),
    (640.5, None),
    (float("nan"), None),
    (float("inf"), None),
    ([], None),
    ([640, 640, 3], None),
    ("large", None),
    (10**9, None),
    ({"imgsz": 640}, None),
]


@pytest.mark.parametrize(("given", "expected"), SIZES)
def test_the_training_size_is_read_from_whatever_was_kept(given, expected):
    assert training_size(given) == expected


@pytest.mark.parametrize("options", [None, {}, {"imgsz": None}, foreign.Point(), [], "imgsz=320"])
def test_a_size_that_is_not_known_is_said(tmp_path: Path, options):
    model = foreign.starter()
    model.args = {}
    spec = spec_of(load_model(foreign.save(tmp_path / "x.pt", model, train_args=options)), "x")
    assert spec.imgsz == (640, 640) and any("at what size it was trained" in note for note in spec.notes)


@pytest.mark.parametrize("kind", ["Namespace", "SimpleNamespace", "IterableSimpleNamespace"])
def test_options_kept_as_an_object_are_read(tmp_path: Path, kind):
    from argparse import Namespace
    from types import SimpleNamespace

    from ultralytics.utils import IterableSimpleNamespace

    made = {"Namespace": Namespace, "SimpleNamespace": SimpleNamespace}.get(kind, IterableSimpleNamespace)(imgsz=[256])
    model = foreign.starter()
    assert spec_of(load_model(foreign.save(tmp_path / "x.pt", model, train_args=made)), "x").imgsz == (256, 256)
    model.args = made
    assert spec_of(load_model(foreign.save(tmp_path / "y.pt", model, train_args={})), "y").imgsz == (256, 256)


@pytest.mark.parametrize("channels", [1, 4, 6])
def test_channels_are_read_from_the_first_convolution(tmp_path: Path, channels):
    model = foreign.starter()
    first = model.model[0].conv
    model.model[0].conv = nn.Conv2d(channels, first.out_channels, 3, 2, 1, bias=False)
    model.yaml.pop("channels", None)
    model.yaml["ch"] = channels
    error = told(foreign.save(tmp_path / "x.pt", model))
    assert error is not None and f"takes pictures of {channels} channel" in error.what


def test_a_forks_layers_that_do_not_fit_are_named_so(tmp_path: Path):
    from ultralytics.nn.modules import C2f

    model = foreign.starter()
    for block in [block for block in model.modules() if isinstance(block, C2f)]:
        half = block.cv1.conv.out_channels // 2
        block.cv0, block.cv1 = copy.deepcopy(block.cv1), Conv(block.cv1.conv.in_channels, half, 1)
    error = told(foreign.save(tmp_path / "x.pt", model))
    assert error is not None and "its layers do not fit the Ultralytics installed here" in error.what
    assert "fork" in error.fix


FAMILIES = {
    "yolov8n-cls": "classify model with a Classify head",
    "yolov8n-rtdetr": "RTDETRDecoder head",
    "yolov8s-world": "WorldDetect head",
    "yoloe-v8s": "YOLOEDetect head",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_models_with_other_heads_are_named(tmp_path: Path, name):
    from ultralytics.nn import tasks

    kind = {
        "yolov8n-cls": tasks.ClassificationModel,
        "yolov8n-rtdetr": tasks.RTDETRDetectionModel,
        "yolov8s-world": tasks.WorldModel,
        "yoloe-v8s": tasks.YOLOEModel,
    }[name]
    model = kind(f"{name}.yaml", verbose=False)
    model.task = "classify" if name.endswith("cls") else "detect"
    first, second = (told(foreign.save(tmp_path / "x.pt", model), trusted) for trusted in (False, True))
    assert first is not None and FAMILIES[name] in first.what and TRUST not in first.fix
    assert str(first) == str(second)
