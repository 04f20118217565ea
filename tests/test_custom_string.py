"""What a lone ``.rknn`` says of itself, within what the vendor has room for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rknn_zoo_e2e.conversion.build import Build
from rknn_zoo_e2e.conversion.custom_string import LIMIT, custom_string
from rknn_zoo_e2e.conversion.model_run import left_out_of
from rknn_zoo_e2e.tasks.spec import ModelSpec
from rknn_zoo_e2e.toolkit.job import BuildJob

DETECT = ModelSpec("d", "detect", ("a", 'größe, "x"'), (320, 480))
POSE = ModelSpec("p", "pose", ("figure",), (320, 320), kpt_shape=(7, 3), skeleton=((0, 1), (4, 6)))
MANY = tuple(f"class number {index}" for index in range(60))  # 1,009 characters
# As many pairs as do not fit beside anything, and as fit without names alone.
WEB = tuple((a, b) for a in range(20) for b in range(20))
NET = WEB[:130]

# The model, what of it is in the text and what is not.
CASES = [
    (DETECT, {"names"}, ()),
    (POSE, {"names", "skeleton"}, ()),
    (replace(POSE, skeleton=()), {"names"}, ()),
    (replace(DETECT, names=MANY), set(), ("names",)),
    (replace(POSE, names=MANY), {"skeleton"}, ("names",)),
    (replace(POSE, kpt_shape=(20, 3), skeleton=NET, names=MANY), {"skeleton"}, ("names",)),
    (replace(POSE, kpt_shape=(20, 3), skeleton=WEB), set(), ("names", "skeleton")),
    (replace(POSE, kpt_shape=(1000, 3), skeleton=WEB, names=MANY * 300), set(), ("names", "skeleton")),
]


@pytest.mark.parametrize(("spec", "held", "left_out"), CASES)
def test_names_go_first_then_the_skeleton(spec: ModelSpec, held, left_out):
    text, gone = custom_string(spec, "rv1106b", "grid")
    facts = json.loads(text)
    assert gone == left_out and {"names", "skeleton"} & facts.keys() == held
    assert text.isascii() and len(text) < LIMIT == 1024
    assert (facts["soc"], facts["task"], facts["layout"]) == ("rv1106b", spec.task, "grid")
    assert facts["imgsz"] == [*spec.imgsz] and facts["classes"] == len(spec.names)
    if "names" in held:
        assert facts["names"].split("\n") == [*spec.names]
    if "skeleton" in held:
        assert facts["skeleton"] == [[*pair] for pair in spec.skeleton]


def test_the_last_byte_is_the_terminators():
    lengths = {}
    for count in range(700, 1024):
        text, gone = custom_string(replace(DETECT, names=("x" * 100,) * 5 + ("y" * (count - 500),)), "rk3566", "flat")
        lengths[count] = None if gone else len(text)
    assert max(filter(None, lengths.values())) == LIMIT - 1


def build(soc: str, *left_out: str) -> Build:
    return Build(BuildJob(Path("model.onnx"), soc, "int8", rknn=Path(f"p-{soc}-int8.rknn")), POSE, left_out=left_out)


def test_each_omission_is_said():
    assert left_out_of([build("rk3566"), build("rk3588")]) == []
    [one] = left_out_of([build("rk3566", "names"), build("rk3588", "names")])
    assert one.startswith("p-rk3566-int8.rknn, p-rk3588-int8.rknn cannot hold the names of its classes (")
    assert one.endswith("keep metadata.yaml and labels.txt beside it.")
    [both] = left_out_of([build("rv1106", "names", "skeleton")])
    assert "the names of its classes and the skeleton (the vendor's limit for such text is 1,024 bytes)" in both
