"""Bundles on disk: whole or not at all, and trusted only as far as their checksums go."""

from __future__ import annotations

import copy
import hashlib
import os
import random
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from support.bundle import made
from support.measurement import measured

from rknn_zoo_e2e.bundle.measurement_file import entry_of
from rknn_zoo_e2e.bundle.model import Artifact, Bundle
from rknn_zoo_e2e.bundle.reader import check_file, newest, read_bundle, read_ranges
from rknn_zoo_e2e.bundle.writer import write_bundle
from rknn_zoo_e2e.cli.convert import what_may_help
from rknn_zoo_e2e.cli.ui.tables import artifact_table, measurements
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.files.staging import staged
from rknn_zoo_e2e.publishing.card import make_card


def test_reads_back_what_was_written(tmp_path: Path):
    bundle = made(tmp_path, kpt_shape=(5, 2), task="pose", skeleton=((0, 1),), nms_free=True)
    again = read_bundle(bundle.path)
    assert again == bundle
    assert (bundle.path / "labels.txt").read_text(encoding="utf-8").splitlines() == ["a", "größe: #1", "no"]
    assert oct(bundle.path.stat().st_mode)[-3:] == "755"
    assert newest(tmp_path) == bundle.path


def test_metadata_has_what_ultralytics_reads(tmp_path: Path):
    from ultralytics.nn.backends.base import BaseBackend

    class Reader(BaseBackend):
        def load_model(self, weight):
            self.apply_metadata(self.read_metadata(weight))

        def forward(self, im):
            raise AssertionError

    reader = Reader(made(tmp_path).path / "x.rknn", "cpu")
    assert (reader.task, reader.stride, reader.batch, reader.end2end) == ("detect", 32, 1, False)
    assert reader.names == {0: "a", 1: "größe: #1", 2: "no"} and list(reader.imgsz) == [64, 96]
    assert reader.metadata["args"]["quantize"] == 8  # makes it multiply normalised coordinates


def test_rewriting_keeps_what_is_not_new(tmp_path: Path):
    bundle = made(tmp_path)
    bundle.artifacts.append(Artifact("rk3588", "int8", "y.rknn", "c" * 64, 1, "2.3.2", "f"))
    write_bundle(bundle, {"y.rknn": b"y"})
    assert {p.name for p in bundle.path.iterdir()} == {"labels.txt", "metadata.yaml", "model.onnx", "x.rknn", "y.rknn"}
    assert check_file(bundle, "x.rknn", bundle.artifacts[0].sha256).read_bytes() == b"model"


def test_a_failure_leaves_the_old_state(tmp_path: Path):
    bundle = made(tmp_path)
    before = sorted(p.name for p in tmp_path.rglob("*"))
    with pytest.raises(RuntimeError), staged(bundle.path) as stage:
        (stage / "half").write_text("x")
        raise RuntimeError
    assert sorted(p.name for p in tmp_path.rglob("*")) == before


def test_killed_while_writing_leaves_old_or_new(tmp_path: Path):
    made(tmp_path)
    script = (
        "import sys\nfrom pathlib import Path\nfrom rknn_zoo_e2e.bundle.reader import read_bundle\n"
        "from rknn_zoo_e2e.bundle.writer import write_bundle\n"
        f"b = read_bundle(Path({str(tmp_path)!r}) / 'x_rknn_model')\n"
        "print('ready', flush=True)\n"
        "while True:\n    write_bundle(b, {'model.onnx': b'z' * 100_000})\n"
    )
    for delay in (0.0, 0.01, 0.02, 0.05, 0.08):
        process = subprocess.Popen([os.sys.executable, "-c", script], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(delay)
        process.kill()
        process.wait()
        bundle = read_bundle(tmp_path / "x_rknn_model")
        check_file(bundle, "x.rknn", bundle.artifacts[0].sha256)
        assert len(list(bundle.path.iterdir())) == 4


def test_tampered_and_missing_files_are_refused(tmp_path: Path):
    bundle = made(tmp_path)
    (bundle.path / "x.rknn").write_bytes(b"other")
    with pytest.raises(UserError, match="checksum differs"):
        check_file(bundle, "x.rknn", bundle.artifacts[0].sha256)
    (bundle.path / "x.rknn").unlink()
    with pytest.raises(UserError, match="missing"):
        check_file(bundle, "x.rknn", bundle.artifacts[0].sha256)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 99}, "format 99"),
        ({"names": None}, "damaged"),
        ({"imgsz": "big"}, "damaged"),
        ({"artifacts": [{"soc": "rk3566"}]}, "damaged"),
    ],
)
def test_damaged_metadata_is_named(tmp_path: Path, change, message):
    path = made(tmp_path).path
    data = yaml.safe_load((path / "metadata.yaml").read_text())
    (path / "metadata.yaml").write_text(yaml.safe_dump(data | change))
    with pytest.raises(UserError, match=message):
        read_bundle(path)


def rewrite(path: Path, change) -> None:
    """Other metadata: ``change`` does something to it."""
    data = yaml.safe_load((path / "metadata.yaml").read_text())
    change(data)
    (path / "metadata.yaml").write_text(yaml.safe_dump(data))


@pytest.mark.parametrize("name", ["../evil.rknn", "/etc/passwd", "a/b.rknn", "..", "C:evil.rknn", "a\\b.rknn"])
def test_files_outside_the_bundle_are_refused(tmp_path: Path, name):
    path = made(tmp_path).path
    rewrite(path, lambda data: data["artifacts"][0].update(file=name))
    with pytest.raises(UserError, match="outside itself"):
        read_bundle(path)


ESCAPE = "\x1b]0;owned\x07"
DEEP = "[" * 900 + "]" * 900
ABSURD = {
    "an escape sequence in a class": (lambda d: d["names"].update({0: ESCAPE}), r"the name of class 0 is '\\x1b"),
    "text that turns round": (lambda d: d["names"].update({0: "a\u202eb"}), "the name of class 0"),
    "a class on two lines": (lambda d: d["names"].update({0: "a\nb"}), "the name of class 0"),
    "a class that is a number": (lambda d: d["names"].update({0: 7}), "the name of class 0 is 7"),
    "no classes": (lambda d: d.update(names={}), "there are 0 classes"),
    "a gap in the classes": (lambda d: d.update(names={0: "a", 2: "b"}), "names does not count"),
    "a million classes": (lambda d: d.update(names={i: "a" for i in range(30_000)}), "names does not count"),
    "an input of 100,000 px": (lambda d: d.update(imgsz=[100_000, 640]), r"imgsz\[0\] is 100000"),
    "an odd input": (lambda d: d.update(imgsz=[65, 64]), "multiple of the stride"),
    "an input of not a number": (lambda d: d.update(imgsz=[float("nan"), 64]), r"imgsz\[0\] is nan"),
    "a stride of 0": (lambda d: d.update(stride=0), "stride is 0"),
    "a million key points": (lambda d: d.update(task="pose", kpt_shape=[10**6, 3]), r"kpt_shape\[0\]"),
    "a pose model without points": (lambda d: d.update(task="pose"), "kpt_shape is missing"),
    "a joint of no point": (lambda d: d.update(task="pose", kpt_shape=[2, 3], skeleton=[[0, 5]]), "skeleton joins"),
    "masks of a detector": (lambda d: d.update(masks=32), "a detect model of 32 masks"),
    "an unknown task": (lambda d: d.update(task="classify"), "task is 'classify'"),
    "a toolkit that is a path": (lambda d: d["artifacts"][0].update(toolkit="../.."), "toolkit is '../..'"),
    "a SoC that is HTML": (lambda d: d["artifacts"][0].update(soc="<b>"), "soc is '<b>'"),
    "a checksum that is none": (lambda d: d["artifacts"][0].update(sha256="x"), "sha256 is 'x'"),
    "a size below 0": (lambda d: d["artifacts"][0].update(bytes=-1), "bytes is -1"),
    "the labels as a log": (lambda d: d["artifacts"][0].update(log="labels.txt"), "log is 'labels.txt'"),
    "figures that are texts": (lambda d: d["artifacts"][0].update(placement={"npu": "x"}), "placement.npu is 'x'"),
    "infinite figures": (lambda d: d["artifacts"][0].update(seconds={"a": float("inf")}), "seconds.a is inf"),
    "a figure of 400 digits": (lambda d: d["artifacts"][0].update(seconds={"a": 10**400}), "seconds.a is 1000"),
    "a measurement that is none": (lambda d: d["artifacts"][0].update(measured=[{"ms": 1}]), r"measured\[0\].date"),
    "an unknown key": (lambda d: d["artifacts"][0].update(run="x"), "unknown key 'run'"),
    "versions that are a list": (lambda d: d.update(versions=["x"]), "versions is a list"),
    "an escape sequence in a key": (lambda d: d.update({ESCAPE: 1}), "a key of"),
    "an escape sequence anywhere": (lambda d: d.update(description={"a": [ESCAPE]}), "description.a"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", ABSURD)
def test_absurd_metadata_is_refused(tmp_path: Path, kind):
    path = made(tmp_path).path
    change, said = ABSURD[kind]
    rewrite(path, change)
    with pytest.raises(UserError, match=rf"metadata\.yaml is damaged \(.*{said}") as error:
        read_bundle(path)
    assert "\x1b" not in str(error.value) and "\n" not in str(error.value)


LAUGHS = "a: &a [x]\n" + "".join(f"{b}: &{b} [*{a},*{a},*{a},*{a}]\n" for a, b in pairwise("abcdefghi"))
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{b}: &{b} {{<<: [{','.join([f'*{a}'] * 20)}]}}\n" for a, b in pairwise("abcdefghi")
)
YAML = {
    "a tag of Python": ("!!python/object/apply:os.system ['touch evil']", "tag"),
    "anchors": (LAUGHS, "anchors"),
    "merged anchors": (MERGES, "merge"),
    "deep nesting": (f"a: {DEEP}", "lists within lists"),
    "deeper nesting": ("[" * 100_000, "nesting"),
    "five megabytes": ("a: " + "x" * 5_000_000, "more than 4,194,304 bytes"),
    "a list": ("- a", "no mapping"),
    "other than UTF-8": (b"a: \xff", "utf-8"),
}


@pytest.mark.parametrize("kind", YAML)
def test_yaml_tricks_are_refused(tmp_path: Path, kind):
    path = made(tmp_path).path
    text, said = YAML[kind]
    (path / "metadata.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=rf"damaged \(.*{said}"):
        read_bundle(path)


@pytest.mark.parametrize("name", ["metadata.yaml", "labels.txt", "x.rknn", "model.onnx"])
def test_links_and_pipes_are_refused(tmp_path: Path, name):
    path = made(tmp_path).path
    (path / name).rename(tmp_path / "elsewhere")
    (path / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=rf"{name} is a link"):
        read_bundle(path)
    (path / name).unlink()
    os.mkfifo(path / name)
    with pytest.raises(UserError, match="is not a bundle" if name == "metadata.yaml" else "not a regular file"):
        read_bundle(path)


def test_labels_say_what_the_metadata_says(tmp_path: Path):
    path = made(tmp_path).path
    (path / "labels.txt").write_text("other\n")
    with pytest.raises(UserError, match="does not name the classes"):
        read_bundle(path)


def test_a_file_is_not_larger_than_its_like_can_be(tmp_path: Path):
    bundle = made(tmp_path)
    for name, size in (("labels.txt", 9 << 20), ("x.rknn", 2 << 30)):
        os.truncate(bundle.path / name, size)  # a hole: it takes no space
        with pytest.raises(UserError, match=rf"{name} has [\d,]+ bytes, more than"):
            check_file(bundle, "x.rknn", bundle.artifacts[0].sha256)
            read_bundle(bundle.path)
        os.truncate(bundle.path / name, 5)


def test_what_could_not_be_read_again_is_not_written(tmp_path: Path):
    bundle = made(tmp_path)
    before = (bundle.path / "metadata.yaml").read_bytes()
    bundle.artifacts[0].evaluations = [{"backend": "onnx", "data": "d", "images": 1, "metrics": {"box": {"map": None}}}]
    with pytest.raises(UserError, match="could not be read again"):
        write_bundle(bundle, {})
    assert (bundle.path / "metadata.yaml").read_bytes() == before


def test_a_calibration_is_the_recorded_one(tmp_path: Path):
    bundle = made(tmp_path)
    good = b'{"name": "c", "digest": "d", "pictures": ["p"], "ranges": {"x": [[0.0], [1.0]]}}'

    def with_calibration(content: bytes) -> Bundle:
        digest = hashlib.sha256(content).hexdigest()
        bundle.artifacts[0] = replace(bundle.artifacts[0], calibration="c.json", calibration_sha256=digest)
        write_bundle(bundle, {"c.json": content})
        return bundle

    assert read_ranges(with_calibration(good), bundle.artifacts[0])["ranges"] == {"x": [[0.0], [1.0]]}
    (bundle.path / "c.json").write_bytes(good.replace(b"1.0", b"9.0"))
    with pytest.raises(UserError, match="checksum differs"):
        read_ranges(bundle, bundle.artifacts[0])
    for content in (b"{}", b"[" * 100_000, good.replace(b"1.0", b"NaN"), good.replace(b"[1.0]", b'"x"')):
        with pytest.raises(UserError, match="cannot be read"):
            read_ranges(with_calibration(content), bundle.artifacts[0])


def external(where: str) -> bytes:
    """A graph with a tensor whose data is said to lie in /etc/passwd."""
    import onnx
    from onnx import TensorProto, helper

    tensor = TensorProto(name="w", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="/etc/passwd")
    initializers, nodes = [tensor] if where == "an initializer" else [], []
    if where == "a constant":
        nodes = [helper.make_node("Constant", [], ["w"], value=tensor)]
    if where == "a branch":
        branch = helper.make_graph([], "g", [], [helper.make_tensor_value_info("w", 1, [1])], [tensor])
        nodes = [helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)]
    graph = helper.make_graph(nodes, "g", [], [], initializers)
    assert onnx.__version__
    return helper.make_model(graph).SerializeToString()


@pytest.mark.parametrize("where", ["an initializer", "a constant", "a branch"])
def test_graphs_with_data_elsewhere_are_refused(tmp_path: Path, where):
    bundle = made(tmp_path)
    content = external(where)
    bundle.onnx_sha256 = hashlib.sha256(content).hexdigest()
    write_bundle(bundle, {"model.onnx": content})
    with pytest.raises(UserError, match="refers to data in other files"):
        check_file(bundle, "model.onnx", bundle.onnx_sha256)


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"", b"\x3a\xff", b"\x0b" * 9, b"\xff" * 20, b"\x08\x01" * 2_000_001])
def test_what_is_no_graph_is_refused(tmp_path: Path, content):
    bundle = made(tmp_path)
    (bundle.path / "model.onnx").write_bytes(content)
    with pytest.raises(UserError, match="cannot be used"):
        check_file(bundle, "model.onnx", hashlib.sha256(content).hexdigest())


WEIRD = (
    None, True, -1, 10**30, float("nan"), "", "../x", ESCAPE, "<script>", "a" * 5000, [], {}, [[]], {"a": 1}, {1: 2},
    "metadata.yaml", "x.rknn", b"x",
)  # fmt: skip


def places(value: object, place: tuple = ()) -> Iterator[tuple]:
    """Where something stands in a document."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*place, key)
        yield from places(value[key], (*place, key))


@pytest.mark.slow
def test_changed_metadata_never_surprises(tmp_path: Path):
    """Whatever stands anywhere in it, a bundle is refused in print, or all that is made of its metadata can be."""
    run = {"backend": "onnx", "data": "d", "images": 1, "metrics": {"box": {"map50": 0.5, "map": 0.4}}}
    parity = {"pictures": 1, "detections": 0, "passed": True, "cosine": {"scores": 1.0}}
    bundle = made(tmp_path, task="pose", kpt_shape=(3, 3), skeleton=((0, 1),))
    placement = {"npu": 1, "cpu": [{"op": "Reshape", "name": "x", "shape": "(1)"}], "traffic_kb": 1, "cycles": 1}
    bundle.artifacts = [replace(bundle.artifacts[0], placement=placement, parity=parity, evaluations=[run])]
    bundle.artifacts[0].measured = [entry_of(measured())]
    write_bundle(bundle, {})
    whole, choose, read = yaml.safe_load((bundle.path / "metadata.yaml").read_text()), random.Random(0), 0
    for *above, last in choose.sample([*places(whole)] * 8, 500):
        changed = inner = copy.deepcopy(whole)
        for key in above:
            inner = inner[key]
        inner[last] = choose.choice(WEIRD)
        (bundle.path / "metadata.yaml").write_text(yaml.safe_dump(changed))
        try:
            one = read_bundle(bundle.path)
        except UserError as error:
            assert str(error).isprintable() and len(str(error)) < 1000
            continue
        read += 1
        artifact_table(one, one.artifacts)
        measurements(one.artifacts)
        one.metadata_text()
        if one.artifacts:
            make_card("me/x", [one], None)
    assert read


@pytest.mark.parametrize(
    ("soc", "precision", "offered"), [("rk3566", "int8", True), ("rk3566", "fp16", False), ("rv1103b", "int8", False)]
)
def test_where_a_build_disagrees_no_precision_is_offered_that_its_soc_has_not(tmp_path: Path, soc, precision, offered):
    (artifact,) = made(tmp_path).artifacts
    assert ("fp16" in what_may_help([replace(artifact, soc=soc, precision=precision)])) is offered
