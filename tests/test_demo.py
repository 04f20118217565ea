"""``demo`` and ``bench`` as users run them, on a pretended board answered by recorded tensors: quick, and the same way
through pool, drawing and writing as anywhere."""

from __future__ import annotations

import http.server
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.board import STANDIN, make_bundle, on_board
from support.cli import PATIENCE
from support.demo import demo, make_tiny

from rknn_zoo_e2e.media.videowriter import VideoWriter
from rknn_zoo_e2e.tasks.spec import ModelSpec

FRAMES = 300


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("tiny"))


def shade(number: int) -> tuple[int, int]:
    """Two grey levels that say a frame's number, far enough apart to survive the codec."""
    return number // 18 * 14, number % 18 * 14


@pytest.fixture(scope="module")
def video(tiny: Path) -> Path:
    with VideoWriter(tiny / "v.mp4", 25) as writer:
        for number in range(FRAMES):
            frame = np.zeros((120, 160, 3), np.uint8)
            frame[:, :40], frame[:, 120:] = shade(number)
            writer.write(frame)
    return tiny / "v.mp4"


def numbers(path: Path) -> list[int]:
    """The numbers of a video's frames."""
    capture, found = cv2.VideoCapture(str(path)), []
    while True:
        good, frame = capture.read()
        if not good:
            return found
        high, low = (round(float(np.median(part)) / 14) for part in (frame[5:20, 5:30], frame[5:20, 130:155]))
        found.append(high * 18 + low)


@pytest.mark.slow
def test_a_video_keeps_its_frames_and_their_order(tiny, video, tmp_path):
    out = demo(tiny, video, "--json", cwd=tmp_path, DELAY=2)
    assert out.returncode == 0, out.stderr
    images = json.loads(out.stdout)["images"]
    assert [image["frame"] for image in images] == list(range(FRAMES))
    assert {image["detections"][0]["label"] for image in images} == {"a"}
    assert numbers(tmp_path / "e2erknn-demo" / "v.mp4") == list(range(FRAMES))
    assert "FPS" in demo(tiny, video, "--no-save", cwd=tmp_path).stdout


@pytest.mark.slow
def test_an_interrupted_video_plays(tiny, video, tmp_path):
    names = {"RKNNLITE_STANDIN_SOC": "rk3588", "RKNNLITE_STANDIN_TENSORS": str(tiny / "t.npz")}
    command = [sys.executable, str(STANDIN / "board.py"), "demo", str(video), "--model", str(tiny / "tiny_rknn_model")]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=os.environ | names | {"RKNNLITE_STANDIN_DELAY": "60"},
        stdout=-1,
        stderr=-1,
        text=True,
    )
    deadline = time.monotonic() + PATIENCE
    while not list(tmp_path.glob("e2erknn-demo/.*.part.mp4")) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and "Interrupted" in err and "Traceback" not in err
    found = numbers(tmp_path / "e2erknn-demo" / "v.mp4")
    assert found == list(range(len(found))) and 5 < len(found) < FRAMES
    assert f"{len(found)} frames" in out
    assert os.listdir(tmp_path / "e2erknn-demo") == ["v.mp4"]


class Stream(http.server.BaseHTTPRequestHandler):
    """Motion JPEG that ends after some frames."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        picture = cv2.imencode(".jpg", np.full((120, 160, 3), 90, np.uint8))[1].tobytes()
        for _ in range(25):
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            self.wfile.write(head.encode() + picture + b"\r\n")
            time.sleep(0.04)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.slow
def test_a_stream_that_ends_leaves_what_it_gave(tiny, tmp_path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    out = demo(tiny, f"http://me:secret@127.0.0.1:{server.server_port}/live", cwd=tmp_path)
    server.shutdown()
    assert out.returncode == 1 and " ended after " in out.stderr and "secret" not in out.stderr + out.stdout
    assert "Traceback" not in out.stderr
    [written] = (tmp_path / "e2erknn-demo").iterdir()
    # Sent in a second: what was written lasts about as long, however many frames the model took.
    assert "secret" not in written.name and 15 <= len(numbers(written)) <= 40


@pytest.mark.slow
def test_what_is_no_video_is_named_in_two_sentences(tiny, video, tmp_path):
    (tmp_path / "cut.mp4").write_bytes(video.read_bytes()[:3000])
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.avi").write_bytes(b"")
    for source, said in (
        ("cut.mp4", "cut off"),
        ("text.mp4", "text.mp4"),
        ("empty.avi", "empty"),
        ("77", "no camera 77"),
    ):
        out = demo(tiny, source, cwd=tmp_path, DELAY=0)
        lines = [line for line in out.stderr.splitlines() if not line.startswith("[")]
        assert out.returncode == 1 and len(lines) == 2 and said in lines[0], out.stderr
    assert not list(tmp_path.glob("e2erknn-demo/*"))


@pytest.mark.slow
def test_a_folder_of_both_goes_on_past_what_is_broken(tiny, video, models, tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "a.jpg").write_bytes((models / "sample.jpg").read_bytes())
    (folder / "b.mp4").write_bytes(b"no video")
    (folder / "c.jpg").write_bytes(b"no picture")
    (folder / "d.mp4").write_bytes(video.read_bytes())
    out = demo(tiny, folder, cwd=tmp_path)
    assert out.returncode == 1 and "2 of 4 sources" in out.stderr
    assert sorted(os.listdir(tmp_path / "e2erknn-demo")) == ["a.jpg", "d.mp4"]


ODD = [
    "new\nline.jpg",
    "\x1b[31mred\x1b[0m.jpg",
    "[bold]a[]b].jpg",
    "b\u202egpj.jpg",
    "n" * 250 + ".jpg",
    "é 100%d.jpg",
]


@pytest.mark.slow
def test_files_may_be_called_anything(tiny, models, tmp_path):
    """Lines stay lines and terminals are told nothing; every picture is drawn under a name of its own."""
    folder = tmp_path / "odd"
    folder.mkdir()
    picture = (models / "sample.jpg").read_bytes()
    for name in (*map(os.fsencode, ODD), b"\xff\xfe.jpg"):
        (folder / os.fsdecode(name)).write_bytes(picture)
    (folder / "empty\nError: none.jpg").write_bytes(b"")
    (folder / "v[red]\n.mp4").write_bytes(b"no video")
    out = demo(tiny, folder, cwd=tmp_path)
    assert out.returncode == 1 and "2 of 9 sources" in out.stderr and "Traceback" not in out.stderr
    text = out.stdout + out.stderr
    assert all(c.isprintable() or c == "\n" for c in text) and len(out.stdout.splitlines()) == len(ODD) + 1
    assert "new\\nline.jpg" in out.stdout and "\\x1b[31mred" in out.stdout and "[bold]a[]b]" in out.stdout
    assert len(os.listdir(tmp_path / "e2erknn-demo")) == len(ODD) + 1
    out = demo(tiny, folder, "--json", cwd=tmp_path)
    document = json.loads(out.stdout)
    names = {os.fsencode(Path(image["path"]).name) for image in document["images"]}
    assert len(names) == len(ODD) + 1 and names > {b"\xff\xfe.jpg", b"new\nline.jpg"}
    assert [Path(failed["path"]).name for failed in document["failed"]] == ["empty\nError: none.jpg", "v[red]\n.mp4"]


def test_names_of_classes_are_as_harmless(tmp_path, models):
    out = np.zeros((1, 6, 126), np.float32)
    out[0, :5, 7] = 0.5, 0.5, 0.2, 0.2, 0.9
    bundle = make_bundle(tmp_path, ModelSpec("evil", "detect", ("[/red] $(x) [bold]", "a" * 200), (64, 96)), "rk3588")
    out[0, 5, 9], out[0, :4, 9] = 0.8, 0.1
    np.savez(tmp_path / "t.npz", **{"any-0": out})
    arguments = ("demo", models / "sample.jpg", "--model", bundle)
    done = on_board(*arguments, cwd=tmp_path, soc="rk3588", TENSORS=tmp_path / "t.npz")
    assert done.returncode == 0, done.stderr
    assert "[/red] $(x) [bold]" in done.stdout and len(done.stdout.splitlines()) == 1


def test_the_smallest_and_the_thinnest_pictures_are_drawn(tiny, tmp_path):
    sizes = [(1, 1), (1, 16000), (16000, 1), (2, 3), (32767, 2)]
    for height, width in sizes:
        cv2.imwrite(str(tmp_path / f"{height}x{width}.png"), np.full((height, width, 3), 90, np.uint8))
    out = demo(tiny, *(f"{height}x{width}.png" for height, width in sizes), "--json", cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    for (height, width), image in zip(sizes, json.loads(out.stdout)["images"], strict=True):
        [found] = image["detections"]
        x1, y1, x2, y2 = found["box"]
        assert 0 <= x1 <= x2 <= width and 0 <= y1 <= y2 <= height
        assert cv2.imread(str(tmp_path / image["drawn"])).shape == (height, width, 3)


@pytest.mark.slow
def test_a_source_is_never_drawn_over(tiny, models, tmp_path):
    picture = (models / "sample.jpg").read_bytes()
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(picture)
    (tmp_path / "link").symlink_to("in")
    for source, out in (("in/a.jpg", "in"), ("in", "link"), ("link/a.jpg", "./in/../in")):
        done = demo(tiny, source, "-o", out, cwd=tmp_path)
        assert done.returncode == 0 and (tmp_path / "in" / "a.jpg").read_bytes() == picture
        (tmp_path / "in" / "a-2.jpg").unlink()


@pytest.mark.slow
def test_an_npu_that_is_gone_ends_the_work(tiny, models, tmp_path):
    """What was done is kept and told, what was not is said in two sentences."""
    (tmp_path / "in").mkdir()
    for number in range(40):
        (tmp_path / "in" / f"{number:02}.jpg").write_bytes((models / "sample.jpg").read_bytes())
    out = demo(tiny, "in", "--json", "--cores", 1, cwd=tmp_path, FAIL="inference:1")
    assert out.returncode == 1 and "failed 6 times in a row: The NPU gave no result" in out.stderr
    document = json.loads(out.stdout)
    assert document["images"] == [] and 3 <= len(document["failed"]) < 10
    assert all(failed["path"] in failed["error"] for failed in document["failed"])
    out = demo(tiny, "in", "--json", "--cores", 1, cwd=tmp_path, FAIL="inference:9")
    images = json.loads(out.stdout)["images"]
    assert out.returncode == 0 and len(images) == 40 and sum("retried" in image for image in images) == 4
    assert out.stderr.count("was started anew, and this run again") == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--conf", "nan"), "not from 0 to 1"),
        (("--classes", "7"), "has no class 7. It has 2: 0 a, 1 b"),
        (("--classes", "-1"), "has no class -1"),
        (("--classes", "aa"), "has no class aa. Did you mean 0 a?"),
    ],
)
def test_options_that_would_find_nothing_are_refused(tiny, models, tmp_path, arguments, said):
    out = demo(tiny, models / "sample.jpg", *arguments, cwd=tmp_path)
    assert out.returncode == 2 and said in out.stderr.replace("\n", " ") and "Traceback" not in out.stderr


@pytest.mark.slow
def test_a_large_picture_with_many_masks_needs_little_memory(tmp_path):
    """12 megapixels, 100 instances: at most 400 MB above what the imports take."""
    rng = np.random.default_rng(0)
    out = np.zeros((1, 4 + 1 + 32, 8400), np.float32)
    centre = np.stack(np.meshgrid(np.linspace(0.1, 0.9, 10), np.linspace(0.2, 0.8, 10)), -1).reshape(-1, 2)
    out[0, :2, :100], out[0, 2:4, :100], out[0, 4, :100] = centre.T, 0.15, np.linspace(0.5, 0.9, 100)
    out[0, 5:, :100] = rng.normal(size=(32, 100))
    protos = rng.normal(size=(1, 32, 160, 160)).astype(np.float32)
    bundle = make_bundle(tmp_path, ModelSpec("many", "segment", ("a",), (640, 640), masks=32), "rk3588")
    np.savez(tmp_path / "t.npz", **{"any-0": out, "any-1": protos})
    cv2.imwrite(str(tmp_path / "big.jpg"), cv2.resize(rng.integers(0, 255, (30, 40, 3), np.uint8), (4000, 3000)))
    run = (
        "import resource, sys; sys.argv[0] = 'e2erknn'\n"
        "from rknn_zoo_e2e import cli\nfrom rknn_zoo_e2e.boards import probe\n"
        "from rknn_zoo_e2e.cli.media import annotate\nfrom rknn_zoo_e2e.runtime import loading\n"
        "import rknnlite.api, cv2\nprobe.board_soc = lambda *_: 'rk3588'\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\nbefore = peak()\n"
        "try: cli.main()\nexcept SystemExit as end: assert not end.code\n"
        "print(peak() - before, file=sys.stderr)"
    )
    environment = {"PYTHONPATH": str(STANDIN), "RKNNLITE_STANDIN_TENSORS": str(tmp_path / "t.npz")}
    arguments = ("demo", "big.jpg", "--model", bundle, "--json", "-q", "--iou", "0.9")
    done = subprocess.run(
        [sys.executable, "-c", run, *map(str, arguments)],
        cwd=tmp_path, env=os.environ | environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["images"][0]["detections"]) == 100
    assert int(done.stderr.splitlines()[-1]) < 100 * 4000 * 3000 / 3, (
        "a hundred masks of the picture's size are never there at once"
    )


@pytest.mark.slow
def test_bench_measures_what_is_here(tiny, models, tmp_path):
    arguments = ("bench", tiny / "tiny_rknn_model", "--runs", 20)
    out = on_board(*arguments, "--json", cwd=tmp_path, soc="rk3588", TENSORS=tiny / "t.npz", DELAY=20)
    assert out.returncode == 0, out.stderr
    document = json.loads(out.stdout)
    assert set(document["stages"]) == {"read", "letterbox", "infer", "post", "draw"} and document["detections"] == 1
    assert len(document["cores"]) == 3 and min(core["p50"] for core in document["cores"]) >= 20
    assert document["stages"]["infer"]["p50"] >= 20
    assert document["fps"]["pooled"] > 2 * document["fps"]["one_by_one"]
    table = on_board(*arguments, cwd=tmp_path, soc="rk3588", TENSORS=tiny / "t.npz")
    assert "core 2 alone" in table.stdout and "3 cores together" in table.stdout


@pytest.mark.slow
def test_bench_on_a_pc_says_what_it_cannot_measure(tmp_path, models):
    from support.cli import run

    out = run("bench", "shapes", "--runs", 3, "--warmup", 1, "--json", cwd=tmp_path)
    document = json.loads(out.stdout)
    assert document["stages"]["infer"] is None and document["fps"] is None and document["cpu_ms"] > 0
    out = run("bench", "shapes", "--runs", 3, cwd=tmp_path)
    assert "no NPU here" in out.stdout and "not measured" in out.stdout


def test_the_processor_has_little_to_do(tmp_path):
    """From a decoded frame to yolov8n's detections: well below the 4 ms that are wanted, on one thread."""
    from rknn_zoo_e2e.tasks.base import Thresholds
    from rknn_zoo_e2e.tasks.registry import task_of
    from rknn_zoo_e2e.vision.letterbox import Letterbox

    spec = ModelSpec("n", "detect", tuple(map(str, range(80))), (640, 640))
    rng = np.random.default_rng(0)
    out = rng.uniform(0, 1e-3, (1, 84, 8400)).astype(np.float32)
    out[0, :4] = rng.uniform(0.2, 0.8, (4, 8400))
    out[0, 7, :60] = 0.8
    task, frame, spent = task_of(spec), rng.integers(0, 255, (1080, 1920, 3), np.uint8), []
    for _ in range(15):
        before = resource.getrusage(resource.RUSAGE_SELF)
        letterbox = Letterbox.of(frame, spec.imgsz)
        letterbox.apply(frame)
        task.decode([out], letterbox, Thresholds())
        after = resource.getrusage(resource.RUSAGE_SELF)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(spent) < 0.004, spent
