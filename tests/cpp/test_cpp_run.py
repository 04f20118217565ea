"""``e2erknn-run`` as users run it, on a pretended NPU that answers with what the simulator gave, and takes no input but
the one recorded."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from native import RUNNER, STANDARD, STATIC
from PIL import Image
from recording import LAYOUTS

from rknn_zoo_e2e.tasks.base import Thresholds
from rknn_zoo_e2e.tasks.registry import task_of
from rknn_zoo_e2e.tasks.result import Result
from rknn_zoo_e2e.vision import drawing
from rknn_zoo_e2e.vision.image import read_image
from rknn_zoo_e2e.vision.letterbox import Letterbox

TASKS = ("detect", "pose", "segment", "obb")
dynamic = pytest.mark.skipif(STATIC, reason="the vendor's library is linked in")


@pytest.fixture
def run(built: Path, recorded):
    """Runs a program; it ends with status 99 where the pretended runtime found something broken."""

    def call(*args, task="detect", layout="fp16 grid, blocks of 8", runtime="librknnrt.so", standin=None,
             program="app/e2erknn-run", **options):  # fmt: skip
        env = dict(os.environ, E2ERKNN_STANDIN=str(standin or recorded(task, layout)), **options.pop("env", {}))
        env |= {"E2ERKNN_RKNNRT": str(built / "tests" / runtime), "ASAN_OPTIONS": "detect_leaks=1"}
        env.pop("LD_PRELOAD", None)
        command = [*RUNNER, built / program, *map(str, args)]
        options.setdefault("stdout", subprocess.PIPE)
        done = subprocess.run(command, stderr=subprocess.PIPE, env=env, timeout=300, **options)
        assert done.returncode != 99 and b"stand-in:" not in done.stderr, done.stderr.decode()
        return done

    return call


def wanted(one, number: int, layout: str, thresholds: Thresholds = STANDARD) -> Result:
    outputs = one.held(LAYOUTS[layout])[number]
    source = read_image(one.pictures[number]).shape[:2]
    return task_of(one.spec).decode(outputs, Letterbox.fit(source, one.spec.imgsz), thresholds)


def near(found, expected, path="") -> None:
    """The same JSON; numbers to a unit of their last digit, lists of points by the area they enclose."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), path
        for key in expected:
            if key == "polygons":
                same_area(found[key], expected[key])
            elif key not in ("ms", "drawn"):
                near(found[key], expected[key], f"{path}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), path
        for index, (a, b) in enumerate(zip(found, expected, strict=True)):
            near(a, b, f"{path}[{index}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=0.0101 if ".box" in path else 1.1e-3), path
    else:
        assert found == expected, path


def same_area(found: list, expected: list) -> None:
    assert len(found) == len(expected)
    sides = [np.zeros((800, 800), np.uint8), np.zeros((800, 800), np.uint8)]
    for side, polygons in zip(sides, (found, expected), strict=True):
        cv2.fillPoly(side, [np.array(p, np.int32) for p in polygons], 1)
    assert (sides[0] & sides[1]).sum() >= 0.999 * (sides[0] | sides[1]).sum()


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_document_is_that_of_demo(run, simulated, task, layout):
    one = simulated[task]
    done = run(one.model, *one.pictures, "--json", task=task, layout=layout)
    assert done.returncode == 0, done.stderr.decode()
    document = json.loads(done.stdout)
    assert document["model"] == one.spec.name and document["backend"] == "native" and document["failed"] == []
    for number, (path, entry) in enumerate(zip(one.pictures, document["images"], strict=True)):
        result = wanted(one, number, layout)
        height, width = result.shape
        near(entry, {"path": str(path), "width": width, "height": height, **result.to_dict()})


def test_options_are_those_of_demo(run, simulated):
    one = simulated["detect"]
    name = one.spec.names[1].upper()
    thresholds = Thresholds(conf=0.05, iou=0.3, max_det=2, classes=(1, 0))
    args = ("--conf", 0.05, "--iou=0.3", "--max-det", 2, "--classes", name, "--classes", 0)
    document = json.loads(run(one.model, *one.pictures, "--json", *args).stdout)
    for number, entry in enumerate(document["images"]):
        near(entry["detections"], wanted(one, number, "fp16 grid, blocks of 8", thresholds).to_dict()["detections"])


@pytest.mark.parametrize("task", TASKS)
def test_what_is_drawn_looks_like_demos(run, simulated, task, tmp_path, monkeypatch):
    """Not to the pixel, and labels have another font: what else demo draws has the same colours here, and nothing is
    drawn where demo draws nothing."""
    one = simulated[task]
    done = run(one.model, one.pictures[0], "--out", tmp_path / "new" / "drawn", task=task)
    assert done.returncode == 0, done.stderr.decode()
    source, ours = read_image(one.pictures[0]).astype(int), read_image(tmp_path / "new" / "drawn" / "picture-0.jpg")
    result = wanted(one, 0, "fp16 grid, blocks of 8")
    everything = result.draw(source.astype(np.uint8)).astype(int)
    monkeypatch.setattr(drawing, "labels", lambda canvas, *_: canvas)
    theirs = result.draw(source.astype(np.uint8)).astype(int)
    there = (np.abs(theirs - source).max(2) > 60) & (np.abs(theirs - everything).max(2) == 0)
    assert there.sum() > 500
    assert (np.abs(ours.astype(int) - theirs).max(2)[there] < 90).mean() > 0.85
    nothing = cv2.dilate((np.abs(everything - source).max(2) > 0).astype(np.uint8), np.ones((25, 25), np.uint8)) == 0
    assert np.abs(ours.astype(int) - source).max(2)[nothing].mean() < 8


def test_lines_for_people_and_times_by_stage(run, simulated):
    one = simulated["detect"]
    done = run(one.model, one.pictures[0], "--repeat", 5)
    lines = done.stdout.decode().splitlines()
    assert lines[0].startswith(f"{one.pictures[0]}: ") and lines[0].endswith("ms)")
    assert lines[1].split() == ["ms", "p50", "p90", "p99"]
    assert [line.split()[0] for line in lines[2:]] == ["read", "letterbox", "infer", "post"]
    stages = json.loads(run(one.model, one.pictures[0], "--repeat", 5, "--json").stdout)["stages"]
    assert all(s["p50"] <= s["p90"] <= s["p99"] for s in stages.values())


@dynamic
@pytest.mark.parametrize("runtime", ["librknnrt.so", "librknnrt-old.so"])
def test_another_context_on_another_core(run, recorded, simulated, runtime):
    one, folder = simulated["detect"], recorded("detect", "fp16 grid, blocks of 8")
    done = run(one.model, folder / "input-0.bin", program="tests/clones", runtime=runtime)
    if runtime.endswith("old.so"):
        assert done.returncode == 1 and b"cannot choose a core" in done.stderr
    else:
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == [b"%d" % len(wanted(one, 0, "fp16 grid, blocks of 8"))] * 3


@dynamic
def test_an_older_runtime_lacks_calls(run, simulated):
    one = simulated["detect"]
    assert run(one.model, one.pictures[0], runtime="librknnrt-old.so").returncode == 0


FAULTS = {
    "rknn_init:1:-6": "damaged or of another version", "rknn_init:1:-4": "not enough memory",
    "rknn_init:1:-13": "for another chip", "rknn_init:1:-77": "code -77", "rknn_create_mem:1:1": "needs 5 MB",
    "rknn_create_mem:1:1,rknn_query:5:-1": "not enough memory for {model}.",  # nor can it tell how much it needs
    "rknn_run:1:-2": "in time", "rknn_run:2:-1,rknn_destroy_mem:1:-1,rknn_destroy:1:-1": "run a picture",
}  # fmt: skip
CALLS = {  # what each cannot do where it fails
    "rknn_init": "open the model", "rknn_dup_context": "open another context", "rknn_query": "tell the facts",
    "rknn_set_core_mask": "use that core", "rknn_create_mem": "not enough memory", "rknn_set_io_mem": "use the memory",
    "rknn_mem_sync": "exchange memory", "rknn_run": "run a picture",
}  # fmt: skip
# How often a program makes each call: one picture twice, its model of two outputs; and three contexts on two cores.
TIMES = {
    "app/e2erknn-run": dict(zip(CALLS, (1, 0, 8, 1, 3, 3, 6, 2), strict=True)),
    "tests/clones": dict(zip(CALLS, (1, 2, 14, 2, 6, 6, 6, 3), strict=True)),
}


def two_sentences(done) -> tuple[str, str]:
    """Of a run that failed: what is wrong, and what to do."""
    assert done.returncode == 1, done.stderr.decode()
    what, fix = done.stderr.decode().split("Error: ")[1].splitlines()
    return what, fix


@pytest.mark.parametrize("failing, said", FAULTS.items(), ids=FAULTS)
def test_what_the_vendor_means(run, simulated, failing, said):
    """Two sentences, exit code 1, and nothing leaks (the pretended runtime counts)."""
    one = simulated["detect"]
    done = run(one.model, one.pictures[0], "--json", "--repeat", 2, env={"E2ERKNN_STANDIN_FAIL": failing})
    what, fix = two_sentences(done)
    assert said.format(model=one.model) in what and fix
    assert json.loads(done.stdout)["error"] == {"what": what, "fix": fix}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("program", TIMES)
def test_every_call_of_the_vendor_may_fail(run, recorded, simulated, program, call):
    """Each time it is made, and after the last time nothing is left that fails."""
    if STATIC and (program == "tests/clones" or call == "rknn_set_core_mask"):
        pytest.skip("it has one core and no call to choose it")
    task = "detect" if program == "tests/clones" else "segment"
    picture = simulated[task].pictures[0], "--repeat", 2, *(() if STATIC else ("--core", 0))
    args = (recorded(task, "fp16 grid, blocks of 8") / "input-0.bin",) if program == "tests/clones" else picture
    times = TIMES[program][call]
    for number in range(1, times + 2):
        env = {"E2ERKNN_STANDIN_FAIL": f"{call}:{number}:-1"}
        done = run(simulated[task].model, *args, task=task, program=program, env=env)
        if number > times:
            assert done.returncode == 0, done.stderr.decode()
        else:
            what, fix = two_sentences(done)
            assert CALLS[call] in what and fix


@pytest.mark.parametrize("call", ["rknn_destroy_mem", "rknn_destroy"])
def test_what_fails_to_be_destroyed_is_not_told(run, simulated, call):
    """The detections are there and the process ends, which gives all of it back: there is nothing for anyone to do."""
    one = simulated["detect"]
    done = run(one.model, one.pictures[0], "--json", env={"E2ERKNN_STANDIN_FAIL": f"{call}:1:-1"})
    assert done.returncode == 0 and b"Error" not in done.stderr
    found = json.loads(done.stdout)["images"][0]["detections"]
    near(found, wanted(one, 0, "fp16 grid, blocks of 8").to_dict()["detections"])


def test_a_damaged_model_never_reaches_the_runtime(run, simulated, tmp_path):
    one = simulated["detect"]
    (bundle := tmp_path / "b").mkdir()
    for file in (one.model, one.model.with_name("metadata.yaml")):
        shutil.copy(file, bundle)
    content = bytearray((bundle / one.model.name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / one.model.name).write_bytes(content)
    done = run(bundle / one.model.name, one.pictures[0], env={"E2ERKNN_STANDIN_FAIL": "rknn_init:1:-77"})
    assert done.returncode == 1 and b"is damaged" in done.stderr
    (bundle / "metadata.yaml").unlink()
    done = run(bundle / one.model.name, one.pictures[0])
    assert done.returncode == 0 and b"No checksum" in done.stderr, "a lone file: that nobody could tell is said"
    (bundle / one.model.name).write_bytes(content[:-2000])
    done = run(bundle / one.model.name, one.pictures[0])
    assert done.returncode == 1 and b"is cut short" in done.stderr


MODELS = {
    "missing": None,
    "empty": b"",
    "no model": b"\x08\x07" * 100,
    "a header alone": b"RKNN" + bytes(12) + b"\xff" * 60,
}


@pytest.mark.parametrize("content", MODELS.values(), ids=MODELS)
def test_no_model(run, simulated, tmp_path, content):
    path = tmp_path / "m.rknn"
    if content is not None:
        path.write_bytes(content)
    done = run(path, simulated["detect"].pictures[0])
    assert done.returncode == 1 and done.stderr.decode().startswith(f"Error: {path} ")


@dynamic
def test_no_runtime(run, simulated):
    one = simulated["detect"]
    done = run(one.model, one.pictures[0], runtime="missing.so")
    assert done.returncode == 1 and b"Rockchip board" in done.stderr


def test_a_flat_layout_an_integer_npu_does_not_explain_is_refused_with_the_command(run, recorded, simulated, tmp_path):
    folder = shutil.copytree(recorded("detect", "fp16 flat"), tmp_path / "r")
    text = (folder / "custom.json").read_text()
    (folder / "custom.json").write_text(text.replace("rk3588", "rv1106"))
    one = simulated["detect"]
    done = run(one.model, one.pictures[0], standin=folder)
    assert done.returncode == 1 and b"e2erknn convert MODEL --soc rv1106 --layout grid" in done.stderr


def test_names_that_did_not_fit_come_from_beside(run, recorded, simulated, tmp_path):
    folder = shutil.copytree(recorded("detect", "fp16 flat"), tmp_path / "r")
    facts = json.loads((folder / "custom.json").read_text())
    facts.pop("names")
    (folder / "custom.json").write_text(json.dumps(facts))
    one = simulated["detect"]
    names = {
        d["label"]
        for d in json.loads(run(one.model, *one.pictures, "--json", standin=folder).stdout)["images"][0]["detections"]
    }
    assert names and names <= set(one.spec.names)
    alone = shutil.copy(one.model, tmp_path / "lone.rknn")
    entry = json.loads(run(alone, one.pictures[0], "--json", standin=folder).stdout)["images"][0]
    assert entry["detections"][0]["label"] == f"class {entry['detections'][0]['class_id']}"


USES = {
    "nothing": [], "no picture": ["m"], "an unknown option": ["m", "i", "--fast"], "no value": ["m", "i", "--conf"],
    "no number": ["m", "i", "--conf", "x"], "max-det": ["m", "i", "--max-det", "0"], "core": ["m", "i", "--core", "7"],
    "no size": ["m", "--stdin", "rgb24"], "odd": ["m", "--stdin", "nv12", "--size", "3x2"],
    "both": ["m", "i", "--stdin", "mjpeg"], "size": ["m", "i", "--size", "2x2"], "format": ["m", "--stdin", "h264"],
}  # fmt: skip


@pytest.mark.parametrize("args", USES.values(), ids=USES)
def test_wrong_use(run, args):
    done = run(*args, standin="/none")
    assert done.returncode == 2 and done.stderr.decode().startswith("Error: ") and done.stderr.count(b"\n") == 2


@pytest.mark.parametrize("args", [["--conf", "1.5"], ["--iou", "nan"], ["--classes", "dragon"], ["--classes", "99"]])
def test_wrong_use_that_only_the_model_shows(run, simulated, args):
    one = simulated["detect"]
    assert run(one.model, one.pictures[0], *args).returncode == 2


def test_help_and_version(run):
    assert b"Example: " in run("--help", standin="/none").stdout
    assert run("--version", standin="/none").stdout.startswith(b"e2erknn-run ")


class TestPictures:
    """Pictures of every kind give the input Python gives; what cannot be read says why."""

    @pytest.fixture
    def source(self, simulated) -> Image.Image:
        return Image.open(simulated["detect"].pictures[0]).convert("RGB")

    @pytest.fixture
    def accepted(self, run, simulated, tmp_path):
        """Whether the pretended NPU takes the file's input for that of the first picture."""

        def check(save) -> None:
            save(tmp_path / "p")
            one = simulated["detect"]
            done = run(one.model, tmp_path / "p")
            assert done.returncode == 0, done.stderr.decode()

        return check

    @pytest.mark.parametrize("mode", ["RGB", "RGBA"])
    def test_png(self, accepted, source, mode):
        accepted(lambda path: source.convert(mode).save(path, "PNG"))

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("kind", ["JPEG", "PNG"])
    def test_orientation(self, accepted, source, orientation, kind):
        turns = [None, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180, Image.Transpose.FLIP_TOP_BOTTOM,
                 Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_90, Image.Transpose.TRANSVERSE,
                 Image.Transpose.ROTATE_270]  # fmt: skip
        turn = turns[orientation - 1]
        exif = Image.Exif()
        exif[0x0112] = orientation
        turned = source.transpose(turn) if turn is not None else source
        accepted(
            lambda path: turned.save(
                path, kind, exif=exif, **({"quality": 98, "subsampling": 0} if kind == "JPEG" else {})
            )
        )

    @pytest.mark.parametrize("kind", ["BMP", "WEBP", "TIFF", "GIF"])
    def test_other_kinds_are_refused_with_what_to_do(self, run, simulated, source, tmp_path, kind):
        source.save(tmp_path / "p", kind)
        done = run(simulated["detect"].model, tmp_path / "p")
        assert done.returncode == 1 and b"does not read" in done.stderr and b"ffmpeg -i" in done.stderr

    @pytest.mark.parametrize("kind", ["JPEG", "PNG"])
    def test_cut_short(self, run, simulated, source, tmp_path, kind):
        source.save(tmp_path / "whole", kind)
        (tmp_path / "p").write_bytes((tmp_path / "whole").read_bytes()[:-2000])
        done = run(simulated["detect"].model, tmp_path / "p")
        assert done.returncode == 1 and b"cannot be read" in done.stderr

    def test_one_that_cannot_be_used_is_skipped(self, run, simulated, tmp_path):
        one = simulated["detect"]
        (tmp_path / "empty.jpg").touch()
        done = run(one.model, tmp_path / "empty.jpg", tmp_path / "missing.jpg", tmp_path, one.pictures[0], "--json")
        document = json.loads(done.stdout)
        assert done.returncode == 1 and len(document["images"]) == 1 and len(document["failed"]) == 3
        assert b"3 of 4 pictures could not be used." in done.stderr


@pytest.mark.parametrize(
    "name, mode",
    [("palette.png", "P"), ("grey.png", "L"), ("grey.jpg", "L"), ("deep.png", "I;16"), ("inks.jpg", "CMYK")],
)
def test_colours_of_every_mode(run, simulated, tmp_path, name, mode):
    """The drawn picture shows the colours Pillow reads (nothing is found: conf 1)."""
    rgb = Image.open(simulated["detect"].pictures[0]).convert("RGB")
    if mode == "I;16":
        Image.fromarray(np.asarray(rgb.convert("L")).astype(np.uint16) * 257).save(tmp_path / name)
    else:
        (rgb.quantize(64, dither=Image.Dither.NONE) if mode == "P" else rgb.convert(mode)).save(tmp_path / name)
    done = run(
        simulated["detect"].model,
        tmp_path / name,
        "--conf",
        1,
        "--out",
        tmp_path / "out",
        env={"E2ERKNN_STANDIN_ANY": "1"},
    )
    assert done.returncode == 0, done.stderr.decode()
    drawn, theirs = (read_image(p).astype(int) for p in (tmp_path / "out" / f"{name[:-4]}.jpg", tmp_path / name))
    assert np.abs(drawn - theirs).mean() < 2


def raw_nv12(rgb: np.ndarray) -> bytes:
    planes = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420).ravel()
    luma, size = planes[: rgb[..., 0].size], rgb[..., 0].size // 4
    return luma.tobytes() + np.stack([planes[luma.size :][:size], planes[luma.size + size :]], 1).tobytes()


class TestStream:
    @pytest.fixture
    def smooth(self, simulated, recorded):
        one = simulated["detect"]
        return one, read_image(one.pictures[0])

    @pytest.mark.parametrize("kind", ["rgb24", "mjpeg", "nv12"])
    def test_frames(self, run, smooth, kind):
        one, rgb = smooth
        frame = {"rgb24": rgb.tobytes(), "mjpeg": one.pictures[0].read_bytes(), "nv12": raw_nv12(rgb)}[kind]
        size = () if kind == "mjpeg" else ("--size", f"{rgb.shape[1]}x{rgb.shape[0]}")
        loose = {"E2ERKNN_STANDIN_ANY": "1"} if kind == "nv12" else {}  # half of its colours' resolution is gone
        done = run(one.model, "--stdin", kind, *size, "--json", input=frame * 3, env=loose)
        assert done.returncode == 0, done.stderr.decode()
        images = json.loads(done.stdout)["images"]
        assert [i["frame"] for i in images] == [0, 1, 2]
        for image in images:
            near(image["detections"], wanted(one, 0, "fp16 grid, blocks of 8").to_dict()["detections"])

    def test_nv12_colours(self, run, smooth, tmp_path):
        one, _ = smooth
        rgb = cv2.resize(np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8), (96, 64))
        env = {"E2ERKNN_STANDIN_ANY": "1"}
        args = ("--stdin", "nv12", "--size", "96x64", "--conf", 1, "--out", tmp_path)
        assert run(one.model, *args, input=raw_nv12(rgb), env=env).returncode == 0
        assert np.abs(read_image(tmp_path / "frame-000000.jpg").astype(int) - rgb).mean() < 4

    @pytest.mark.parametrize("kind", ["rgb24", "mjpeg"])
    def test_an_input_cut_within_a_frame(self, run, smooth, kind):
        one, rgb = smooth
        frame = rgb.tobytes() if kind == "rgb24" else one.pictures[0].read_bytes()
        size = ("--size", f"{rgb.shape[1]}x{rgb.shape[0]}") if kind == "rgb24" else ()
        done = run(one.model, "--stdin", kind, *size, "--json", input=frame + frame[:-100])
        assert done.returncode == 1 and b"within a frame" in done.stderr
        assert len(json.loads(done.stdout)["images"]) == 1

    def test_a_closed_pipe_and_ctrl_c(self, built, recorded, smooth):
        one, rgb = smooth
        env = dict(os.environ, E2ERKNN_STANDIN=str(recorded("detect", "fp16 grid, blocks of 8")))
        env["E2ERKNN_RKNNRT"] = str(built / "tests" / "librknnrt.so")
        env.pop("LD_PRELOAD", None)
        command = [*RUNNER, built / "app" / "e2erknn-run", one.model, "--stdin", "rgb24", "--json"]
        command += ["--size", f"{rgb.shape[1]}x{rgb.shape[0]}"]
        for ending in ("reader gone", "interrupted"):
            pipe = subprocess.PIPE
            with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=env) as process:
                process.stdin.write(rgb.tobytes())
                process.stdin.flush()
                head = process.stdout.readline() + process.stdout.readline()
                if ending == "reader gone":
                    process.stdout.close()
                    with suppress(BrokenPipeError):
                        process.stdin.write(rgb.tobytes() * 3)
                        process.stdin.close()
                    assert process.wait(30) == 1 and process.stderr.read() == b""
                else:
                    time.sleep(0.3)
                    process.send_signal(signal.SIGINT)
                    assert process.wait(30) == 0
                    assert len(json.loads(head + process.stdout.read())["images"]) == 1


def test_a_full_disk_and_a_folder_nobody_may_write(run, simulated, tmp_path):
    one = simulated["detect"]
    with open("/dev/full", "wb") as full:
        done = run(one.model, one.pictures[0], stdout=full)
    assert done.returncode == 1 and b"No space left" in done.stderr and b"Free some space" in done.stderr
    (tmp_path / "file").touch()
    done = run(one.model, one.pictures[0], "--out", tmp_path / "file" / "x")
    assert done.returncode == 1 and b"Check the path." in done.stderr
    assert not list(tmp_path.glob("**/*.part"))


@pytest.mark.skipif(not STATIC, reason="the vendor's library is looked for at run time")
def test_a_runtime_of_one_core_cannot_choose_it(run, simulated):
    one = simulated["detect"]
    done = run(one.model, one.pictures[0], "--core", 0)
    assert done.returncode == 1 and b"without --core" in done.stderr


def test_made_up_models_find_their_object_in_every_kind_of_memory(built, tmp_path):
    """The test of those who have neither Python nor a board: cmake --build build --target test."""
    env = dict(os.environ, E2ERKNN_RKNNRT=str(built / "tests" / "librknnrt.so"))
    env.pop("LD_PRELOAD", None)
    done = subprocess.run([*RUNNER, built / "tests" / "selftest", tmp_path / "files"], capture_output=True, env=env)
    assert done.returncode == 0 and done.stdout == b"64 models found their object\n", done.stderr.decode()


def test_a_soak_keeps_its_memory(built, recorded, simulated):
    """Many frames through one process: after frame 1,000 memory does not grow."""
    frames = int(os.environ.get("E2ERKNN_SOAK_FRAMES", 5000))
    if RUNNER:
        pytest.skip("memory of an emulator says nothing")
    env = dict(os.environ, E2ERKNN_STANDIN=str(recorded("pose", "fp16 grid, blocks of 8")), E2ERKNN_STANDIN_ANY="1")
    env["E2ERKNN_RKNNRT"] = str(built / "tests" / "librknnrt.so")
    env.pop("LD_PRELOAD", None)
    command = [built / "app" / "e2erknn-run", simulated["pose"].model, "--stdin", "rgb24", "--size", "64x48", "--json"]
    sizes, frame = [], bytes(64 * 48 * 3)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as process:
        for number in range(frames):
            process.stdin.write(frame)
            process.stdin.flush()
            process.stdout.readline()
            if number in (1000, frames - 1):
                status = Path(f"/proc/{process.pid}/status").read_text()
                sizes.append({k: int(v) for k, v in re.findall(r"(VmRSS|VmHWM):\s+(\d+)", status)})
        process.stdin.close()
        process.stdout.read()
        assert process.wait() == 0
    sanitized = b"__asan_init" in (built / "app" / "e2erknn-run").read_bytes()
    assert sanitized or sizes[1]["VmRSS"] - sizes[0]["VmRSS"] <= 256
