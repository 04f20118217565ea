"""``report``: fp32 runs once for all builds, only what is shown is drawn, and a page has a size it never exceeds."""

from __future__ import annotations

import errno
import hashlib
import io
import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.known import known

from rknn_zoo_e2e.boards.soc import SOCS
from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.bundle.writer import write_bundle
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.media.synthetic import draw_scene
from rknn_zoo_e2e.quantization.calibration import from_pictures
from rknn_zoo_e2e.reporting import compare as comparing
from rknn_zoo_e2e.reporting.facts import document_of
from rknn_zoo_e2e.reporting.layers import cost
from rknn_zoo_e2e.reporting.page import MOST_BYTES, bundle_page
from rknn_zoo_e2e.reporting.pictures import DRAWN_SIDE, FITS, MOST_PICTURES, Answer, Picture, fitting, jpeg, size_of
from rknn_zoo_e2e.reporting.report import write_report
from rknn_zoo_e2e.reporting.scratch import Scratch
from rknn_zoo_e2e.reporting.sheet import Sheet, most
from rknn_zoo_e2e.runtime.loading import load
from rknn_zoo_e2e.runtime.registry import BACKENDS
from rknn_zoo_e2e.tasks.result import Result

COUNT = 9  # pictures


def noise(seed: int, side: int = DRAWN_SIDE) -> np.ndarray:
    """A picture that no JPEG makes small."""
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def of_builds(folder: Path, builds: int, full: bool) -> tuple[dict[str, Any], list[Picture]]:
    """The document of a bundle with so many builds, no two of which find the same in a picture.

    Args:
        full: each has the layers, blocks and scores of a large model.
    """
    document = document_of(known(folder, tuple(SOCS)[:1]))
    [artifact] = document["artifacts"]
    if full:
        layer, block = artifact["layers"][0], artifact["analysis"]["blocks"][0]
        artifact["layers"] = [layer | {"index": index, "cycles": index} for index in range(300)]
        artifact["analysis"]["blocks"] = [block] * 70
        artifact["agreement"]["scores"] = [[0.9, 0.9 - index / 1e5] for index in range(20_000)]
    document["artifacts"] = [artifact | {"sha256": f"{index:064}"} for index in range(builds)]
    document["thresholds"] = {"expected": 0.4, "found": 0.25}
    seen = {"soc": "rk3566", "precision": "int8", "lost": 0, "new": 0, "lost_detections": [], "new_detections": []}
    names = [f"{index}.jpg" for index in range(MOST_PICTURES)]
    each = [seen | {"sha256": a["sha256"]} for a in document["artifacts"]]
    document["pictures"] = [{"name": name, "builds": each} for name in names]
    drawn = noise(0)
    answers = tuple(Answer((a["sha256"],), (), (), drawn) for a in document["artifacts"])
    return document, [Picture(name, drawn, answers) for name in names]


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("builds", [1, 2, 10, 30])
def test_a_page_never_exceeds_its_size(tmp_path: Path, builds: int, full: bool):
    document, pictures = of_builds(tmp_path, builds, full)
    page = bundle_page(document, pictures)
    drawn = page.count(b"<img")
    assert len(page) <= MOST_BYTES and drawn >= 1 + builds and drawn % (1 + builds) == 0
    away = MOST_PICTURES - drawn // (1 + builds)
    assert (b"No room is left on the page for" in page) == (away > 0)
    bare = bundle_page(document | {"pictures": []})
    assert len(bare) <= MOST_BYTES and bare.count(b'id="build-') == builds
    if not full:  # nothing is cut where there is room
        assert bare.count(b"All 3 layers") == bare.count(b"All 4 scores") == bare.count(b"All 2 blocks") == builds


def test_pictures_get_smaller_and_then_fewer():
    pictures = [Picture("a.jpg", noise(0), (Answer(("1",), (), (), noise(1)),)) for _ in range(MOST_PICTURES)]

    def shape(room: int) -> tuple[int, tuple[int, int] | None]:
        shown = fitting(pictures, room)
        sizes = {Image.open(io.BytesIO(one)).size for each in shown for one in (each.fp32, *each.answers)}
        assert sum(each.size for each in shown) <= room and len(sizes) <= 1
        return len(shown), next(iter(sizes), None)

    steps = [shape(room) for room in range(3_000_000, -1, -20_000)]
    assert [*dict.fromkeys(steps)] == [*((count, (side, side)) for count, side in FITS), (0, None)]


@pytest.mark.parametrize(
    ("shape", "size"),
    [((700, 900), (373, 480)), ((900, 700), (480, 373)), ((20, 30), (20, 30)), ((1, 5000), (1, 480))],
)
def test_a_picture_is_drawn_small_and_never_enlarged(shape: tuple[int, int], size: tuple[int, int]):
    assert size_of((*shape, 3)) == size
    with Image.open(io.BytesIO(jpeg(np.zeros((*shape, 3), np.uint8), DRAWN_SIDE))) as drawn:
        assert drawn.size == size[::-1]


def test_a_table_that_is_cut_keeps_what_costs_most_and_what_is_on_the_cpu(tmp_path: Path):
    document, _ = of_builds(tmp_path, 1, full=True)
    document["artifacts"][0]["layers"][7]["target"] = "CPU"
    *_, folded = cost(Sheet(document, rows=4), ("artifacts", 0), "layers-0")
    kept = [cell.get("value") for cell in folded.iter("data") if cell.get("data-at", "").endswith("/index")]
    assert kept == ["7", "297", "298", "299"] and next(folded.iter("summary")).text == "4 of 300 layers"
    assert most([3, 1, 3, 2], 3) == [0, 2, 3] and most([1], 9) == [0]


@pytest.fixture(scope="module")
def two(converted: Path, tmp_path_factory) -> Path:
    """A bundle of two builds, and pictures of which the first are fine and the last shows nothing."""
    folder = tmp_path_factory.mktemp("two")
    bundle = read_bundle(shutil.copytree(converted / "shapes-seg_rknn_model", folder / "shapes-seg_rknn_model"))
    content = b"another build"
    digest = hashlib.sha256(content).hexdigest()
    bundle.artifacts.append(
        replace(bundle.artifacts[0], soc="rk3588", file="b.rknn", sha256=digest, bytes=len(content), numbers={})
    )
    write_bundle(bundle, {"b.rknn": content})
    (folder / "pictures").mkdir()
    for index in range(COUNT):
        Image.fromarray(draw_scene(7_000_000 + index, (700, 900))[0]).save(folder / f"pictures/{index}.jpg")
    return folder


@pytest.fixture
def counted(monkeypatch) -> Counter[str]:
    """How often a picture is read, run and drawn, where fp32's graph stands in for the builds."""
    counts: Counter[str] = Counter()

    def loaded(path: Path, backend: str, soc: str = "fp32", *more: Any, **named: Any) -> Any:
        predictor = load(path, backend, None, *more, **named)
        infer = predictor.infer

        def run(rgb: np.ndarray) -> list[np.ndarray]:
            counts[f"run by {soc}"] += 1
            outputs = infer(rgb)
            if soc == WORSE and counts[f"run by {soc}"] > 2:  # it finds nothing from the third picture on
                outputs = [outputs[0] * np.float32(0.5), *outputs[1:]]
            return outputs

        predictor.infer = run
        return predictor

    def draw(result: Result, image: np.ndarray) -> np.ndarray:
        counts["drawn"] += 1
        return drawn(result, image)

    drawn = Result.draw
    monkeypatch.setattr(comparing, "chosen", lambda name, runs: replace(BACKENDS["onnx"], runs_artifact=True))
    monkeypatch.setattr(comparing, "load", loaded)
    monkeypatch.setattr(Result, "draw", draw)
    return counts


WORSE = "rk3588"


@pytest.mark.slow
def test_fp32_runs_once_and_what_builds_find_alike_is_shown_once(two: Path, counted: Counter[str]):
    chosen = from_pictures(two / "pictures")
    reads: Counter[int] = Counter()
    chosen = replace(chosen, read=lambda index, read=chosen.read: reads.update([index]) or read(index))
    found = comparing.compare(read_bundle(two / "shapes-seg_rknn_model"), chosen, "pictures", lambda *_: None)
    assert counted == {"run by fp32": COUNT, "run by rk3566": COUNT, "run by rk3588": COUNT, "drawn": 18}
    assert sorted(reads.values()) == [1] * (COUNT - 6) + [2] * 6  # once to be run, once to be drawn on
    good, bad = (agreement for agreement in found.agreements.values())
    assert (good["lost"], good["new"]) == (0, 0) and bad["lost"] > 6
    assert len(found.pictures) == 6 and {one.name for one in found.pictures} <= {f"{i}.jpg" for i in range(2, COUNT)}
    for one in found.pictures:
        other, same = one.answers
        assert np.array_equal(same.drawn, one.drawn) and not np.array_equal(other.drawn, one.drawn)
        assert same.lost == same.new == () and len(other.lost) > 0 and all(score > 0.4 for _, score in other.lost)
    lost = [score for one in found.pictures for _, score in one.answers[0].lost]
    assert set(lost) <= {first for first, second in bad["scores"] if second is None}


@pytest.mark.slow
def test_what_is_lost_is_named_on_the_page(two: Path, tmp_path: Path, counted: Counter[str]):
    written = write_report(two / "shapes-seg_rknn_model", tmp_path / "page.html", two / "pictures")
    page = written.path.read_text("utf-8")
    for picture in written.document["pictures"]:
        good, bad = picture["builds"]
        assert (good["soc"], good["lost"], good["lost_detections"]) == ("rk3566", 0, [])
        assert bad["lost"] == len(bad["lost_detections"]) and bad["new"] == len(bad["new_detections"])
    captions = [re.sub("<.*?>", "", one) for one in re.findall("<figcaption>(.*?)</figcaption>", page) if "lost" in one]
    assert len(captions) == 12 and captions[-1] == "rk3566 int8: 0 lost, 0 new"
    label, score = bad["lost_detections"][0].values()
    assert captions[-2].startswith(f"rk3588 int8: {bad['lost']} lost ({label} {score:.2f}")


def test_a_full_disk_is_said_with_what_to_do(tmp_path: Path, monkeypatch):
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    scratch = Scratch(tmp_path)
    scratch.put("a", [np.arange(3)])
    assert scratch.has("a") and not scratch.has("b") and scratch.get("a")[0].tolist() == [0, 1, 2]
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match="No space left on device") as failed:
        scratch.put("b", 1)
    assert "TMPDIR" in failed.value.fix
