"""The comparisons of ``scripts/compare_commits.py``: what counts as the same, and that everything else is told."""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from comparing import equality, renaming  # type: ignore[import-not-found]

FILE = bytes(range(64))


def changed(**bytes_at: int) -> bytes:
    """FILE with other bytes: p8=1 puts 1 at position 8."""
    file = bytearray(FILE)
    for position, value in bytes_at.items():
        file[int(position[1:])] = value
    return bytes(file)


@pytest.mark.parametrize(
    "again, new, equal, said",
    [
        (FILE, FILE, True, "mask of 0 of 64 bytes"),
        (changed(p8=1), changed(p8=2), True, "mask of 1 of 64 bytes"),
        (changed(p8=1, p20=1), FILE, True, "mask of 2 of 64 bytes"),
        # Two addresses that agree in a byte by chance.
        (changed(p8=1), changed(p8=2, p10=2), True, "1 further bytes in words"),
        (changed(p8=1), changed(p12=2), False, "1 bytes differ outside a mask of 1 of 64 bytes, first at 12"),
        (FILE, changed(p0=9, p63=9), False, "2 bytes differ outside a mask of 0"),
        (FILE, FILE + b"x", False, "64 -> 65 bytes"),
        (FILE + b"x", FILE, False, "there is no mask"),
    ],
)
def test_rknn_is_compared_outside_of_what_differs_anyway(again: bytes, new: bytes, equal: bool, said: str):
    found = equality.compare_rknn(FILE, again, new)
    assert found.equal == equal and said in found.what


@pytest.mark.parametrize("new, equal", [(FILE, True), (FILE + b"x", True), (FILE[:60], False), (b"", False)])
def test_rknn_of_other_names_has_about_the_same_size(new: bytes, equal: bool):
    found = equality.compare_sizes(FILE, new)
    assert found.equal == equal and f"64 -> {len(new)} bytes ({len(new) - 64:+})" in found.what


@pytest.mark.parametrize(
    "new, said", [(FILE, ""), (FILE[:-1], "64 -> 63 bytes"), (changed(p3=0), "1 bytes differ"), (b"", "64 -> 0 bytes")]
)
def test_other_files_are_compared_whole(new: bytes, said: str):
    assert equality.compare_bytes(FILE, new) == (not said, said or "equal")


METADATA = {
    "date": "today",
    "names": {0: "cat", 1: "dog"},
    "artifacts": [
        {
            "soc": "rk3566",
            "sha256": "abc",
            "fingerprint": "1",
            "hybrid": [["/model.9/Conv_output_0", "output0"]],
            "placement": {"npu": 3, "cpu": [{"op": "Reshape", "name": "Reshape:/model.9/Reshape"}]},
            "seconds": {"load": 0.5, "build": 1.25},
        }
    ],
}


def edited(*path, to) -> dict:
    """METADATA with another value at a path; None takes it away."""
    document = copy.deepcopy(METADATA)
    *parents, last = path
    inner = document
    for key in parents:
        inner = inner[key]
    if to is None:
        del inner[last]
    else:
        inner[last] = to
    return document


@pytest.mark.parametrize(
    "new, said",
    [
        (METADATA, ""),
        (edited("date", to="tomorrow"), ""),
        (edited("artifacts", 0, "sha256", to="def"), ""),
        (edited("artifacts", 0, "fingerprint", to="2"), ""),
        (edited("artifacts", 0, "seconds", "load", to=9.0), ""),
        (edited("artifacts", 0, "seconds", "load", to=None), "artifacts[0].seconds.load: only in OLD"),
        (edited("artifacts", 0, "placement", "npu", to=4), "artifacts[0].placement.npu: 3 -> 4"),
        (edited("artifacts", 0, "placement", "npu", to=3.0), "the order of keys, or a type"),
        (edited("artifacts", 0, "placement", "cpu", to=[]), "artifacts[0].placement.cpu: "),
        (edited("names", 1, to="fox"), 'names.1: "dog" -> "fox"'),
        (edited("zoo", to="yolov8n"), "zoo: only in NEW"),
        (dict(reversed(METADATA.items())), "the order of keys, or a type"),
    ],
)
def test_documents_are_equal_but_for_what_changes_with_every_build(new: dict, said: str):
    found = equality.compare_documents(METADATA, new)
    assert found.equal == (not said) and said in found.what


def test_of_many_differences_the_first_are_told():
    found = equality.compare_documents(list(range(9)), list(range(1, 10)))
    assert found.what.startswith("[0]: 0 -> 1; [1]: 1 -> 2") and found.what.endswith("; 5 more")


@pytest.mark.parametrize(
    "new, said",
    [
        ({"a": np.float32([1, 2])}, ""),
        ({"a": np.float32([1, 2.5])}, "50.00% of values, by 0.5 at most"),
        ({"a": np.float64([1, 2])}, "float32 (2,) -> float64 (2,)"),
        ({"b": np.float32([1, 2])}, "called otherwise"),
        ({}, "1 arrays -> 0"),
    ],
)
def test_outputs_are_equal_in_every_bit(new: dict, said: str):
    found = equality.compare_arrays({"a": np.float32([1, 2])}, new)
    assert found.equal == (not said) and said in found.what


def test_no_outputs_at_all_prove_nothing():
    assert not equality.compare_arrays({}, {}).equal


def graph(conv: str = "/model.9/Conv", weight: float = 1.0, stride: int = 1, twice: bool = True, wire: str = ""):
    """A convolution, whose output is called after it, and a sum of it with itself, or with what ``wire`` says."""
    out = f"{conv}_output_0"
    nodes = [
        helper.make_node("Conv", ["images", f"{conv}.weight"], [out], name=conv, strides=[stride, stride]),
        helper.make_node("Add" if twice else "Mul", [out, wire or out], ["output0"], name="/last"),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, 4, 4]) for name in ("images", "output0")]
    weights = numpy_helper.from_array(np.full((1, 1, 1, 1), weight, np.float32), f"{conv}.weight")
    between = helper.make_tensor_value_info(out, TensorProto.FLOAT, [1, 1, 4, 4])
    made = helper.make_graph(nodes, "g", values[:1], values[1:], [weights], value_info=[between])
    model = helper.make_model(made)
    onnx.checker.check_model(model)
    return model


@pytest.mark.parametrize(
    "new, said",
    [
        (graph(), ""),
        (graph("/head/box"), ""),
        (graph("/head/box", weight=2.0), "weight /model.9/Conv.weight"),
        (graph("/head/box", stride=2), "an attribute of /model.9/Conv"),
        (graph("/head/box", twice=False), "node /last: ('Add', '', 2, 1) -> ('Mul', '', 2, 1)"),
        (graph("/head/box", wire="images"), "the structure: /model.9/Conv_output_0 is /head/box_output_0 and images"),
    ],
)
def test_renamed_graphs_are_the_same_but_for_names(new: onnx.ModelProto, said: str):
    found = renaming.Renaming(graph(), new).verdict
    assert found.equal == (not said) and said in found.what


def test_renamed_outputs_or_further_nodes_are_no_renaming():
    new = graph("/head/box")
    new.graph.output[0].name = new.graph.node[1].output[0] = "boxes"
    assert not renaming.Renaming(graph(), new).verdict.equal
    longer = graph()
    longer.graph.node.add(op_type="Relu", input=["output0"], output=["more"])
    assert "number of nodes: 2 -> 3" in renaming.Renaming(graph(), longer).verdict.what


def test_two_tensors_do_not_become_one():
    old = graph()
    old.graph.node.add(op_type="Relu", name="/a", input=["images"], output=["/a_output_0"])
    old.graph.node.add(op_type="Relu", name="/b", input=["images"], output=["/b_output_0"])
    new = copy.deepcopy(old)
    new.graph.node[3].output[0] = "/a_output_0"
    assert "the structure" in renaming.Renaming(old, new).verdict.what


NAMES = renaming.Renaming(graph(), graph("/head/box"))


@pytest.mark.parametrize(
    "old, new",
    [
        ("/model.9/Conv_output_0", "/head/box_output_0"),
        ("/model.9/Conv_output_0_rs", "/head/box_output_0_rs"),
        ("Conv:/model.9/Conv", "Conv:/head/box"),
        ("output0", "output0"),
        ("rk3566", "rk3566"),
        ("/elsewhere", "/elsewhere"),
    ],
)
def test_names_are_carried_over(old: str, new: str):
    assert NAMES.of(old) == new


def test_ranges_and_regions_are_compared_under_the_new_names():
    old = {"hybrid": [["/model.9/Conv_output_0", "output0"]], "ranges": {"/model.9/Conv_output_0": [[0], [1]]}}
    new = {"hybrid": [["/head/box_output_0", "output0"]], "ranges": {"/head/box_output_0": [[0], [1]]}}
    assert renaming.compare_renamed(old, new, NAMES).equal
    assert not renaming.compare_renamed(old, new, None).equal
    new["ranges"]["/head/box_output_0"] = [[0], [2]]
    assert renaming.compare_renamed(old, new, NAMES).what == "ranges./head/box_output_0[1][0]: 1 -> 2"


def test_files_named_by_content_keep_only_their_kind():
    old, new = ["calibration-0123abcd.json", "model.onnx"], ["calibration-89abcdef.json", "model.onnx"]
    assert renaming.compare_renamed(old, new, NAMES).equal
    assert not renaming.compare_renamed(old, new, None).equal
