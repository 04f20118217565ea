"""Videos, cameras and streams: nothing lost, nothing left half-written, and errors that say what to do."""

from __future__ import annotations

import os
import resource
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.media import capture, video, videowriter
from rknn_zoo_e2e.media.capture import is_cut_off
from rknn_zoo_e2e.media.video import VideoReader
from rknn_zoo_e2e.media.videowriter import VideoWriter

FRAMES = 300
BLOCK = 32


def numbered(number: int) -> np.ndarray:
    """A frame (96, 96, 3) that shows its number as 3 x 3 black and white blocks, which compression cannot change."""
    bits = np.array([number >> bit & 1 for bit in range(9)], np.uint8).reshape(3, 3) * 255
    return np.repeat(np.kron(bits, np.ones((BLOCK, BLOCK), np.uint8))[..., None], 3, 2)


def number_of(frame: np.ndarray) -> int:
    bits = frame[BLOCK // 2 : 96 : BLOCK, BLOCK // 2 : 96 : BLOCK, 0].reshape(-1) > 127
    return sum(int(bit) << place for place, bit in enumerate(bits))


def numbers(path: Path) -> list[int]:
    with VideoReader(path) as reader:
        return [number_of(frame) for frame in reader]


def make(path: Path, count: int = FRAMES, fps: float = 30) -> Path:
    with VideoWriter(path, fps) as writer:
        for number in range(count):
            writer.write(numbered(number))
    assert writer.frames == count
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("clip") / "what? 100%d é.mp4", fps=29.97)


def only(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_every_frame_comes_back_in_order(clip: Path):
    with VideoReader(clip) as reader:
        assert (reader.frames, reader.live, reader.name) == (FRAMES, False, str(clip))
        assert reader.fps == pytest.approx(29.97, abs=1e-3)
        frames = list(reader)
        assert next(reader, None) is None
    assert [number_of(frame) for frame in frames] == list(range(FRAMES))
    assert frames[0].shape == (96, 96, 3) and frames[0].dtype == np.uint8


def test_colours_are_rgb_and_turned_upright(tmp_path: Path):
    frame = np.zeros((64, 96, 3), np.uint8)
    frame[:, :48] = 255, 0, 0  # left half red
    with VideoWriter(tmp_path / "a.mp4", 25) as writer:
        writer.write(frame)
    with VideoReader(tmp_path / "a.mp4") as reader:
        np.testing.assert_allclose(next(reader)[32, [10, 80]], [[255, 0, 0], [0, 0, 0]], atol=12)
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    start = data.index(b"tkhd") + 44  # the matrix of the track header: ISO/IEC 14496-12, section 8.3.2
    data[start : start + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    (tmp_path / "turned.mp4").write_bytes(data)
    with VideoReader(tmp_path / "turned.mp4") as reader:  # clockwise: left comes to the top
        turned = next(reader)
        assert turned.shape == (96, 64, 3)
        np.testing.assert_allclose(turned[[10, 80], 32], [[255, 0, 0], [0, 0, 0]], atol=12)


@pytest.mark.parametrize("size", [(479, 641), (480, 641), (1, 1), (33, 2000)])
def test_odd_sizes_lose_nothing(tmp_path: Path, size):
    frame = np.zeros((*size, 3), np.uint8)
    frame[-1:, -1:] = frame[-24:, -24:] = 255
    with VideoWriter(tmp_path / "a.mp4", 30) as writer:
        for _ in range(3):
            writer.write(frame)
    with VideoReader(tmp_path / "a.mp4") as reader:
        frames = list(reader)
    assert len(frames) == 3 and frames[0].shape[:2] == tuple(side + side % 2 for side in size)
    assert frames[2][size[0] - 1, size[1] - 1].min() > 240


def test_a_frame_of_another_size_is_letterboxed(tmp_path: Path):
    with VideoWriter(tmp_path / "a.mp4", 30) as writer:
        for frame in (numbered(5), np.full((10, 30, 3), 255, np.uint8), numbered(6)):
            writer.write(frame)
    with VideoReader(tmp_path / "a.mp4") as reader:
        first, second, third = reader
    assert second.shape == (96, 96, 3) and second[48].min() > 230 and 100 < second[5].mean() < 130
    assert (number_of(first), number_of(third)) == (5, 6)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, UserError("What.", "Fix.")])
def test_what_was_written_plays_however_it_ended(tmp_path: Path, error):
    def fails() -> None:
        with VideoWriter(tmp_path / "new" / "a.mp4", 30) as writer:
            for number in range(20):
                writer.write(numbered(number))
            raise error

    with pytest.raises(error if isinstance(error, type) else UserError):
        fails()
    assert only(tmp_path / "new") == ["a.mp4"] and numbers(tmp_path / "new" / "a.mp4") == list(range(20))


def test_no_frame_leaves_no_file_and_the_old_one_alone(tmp_path: Path):
    with VideoWriter(tmp_path / "a.mp4", 30):
        pass
    assert not only(tmp_path)
    (tmp_path / "a.mp4").write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), VideoWriter(tmp_path / "a.mp4", 30):
        raise KeyboardInterrupt
    assert only(tmp_path) == ["a.mp4"] and (tmp_path / "a.mp4").read_bytes() == b"old"


def test_what_cannot_be_written_says_so(tmp_path: Path, monkeypatch):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.mp4").mkdir()
    for name, expected in (
        ("file/a.mp4", "cannot be written"),
        ("folder.mp4", "cannot be written"),
        ("a.xyz", "has no"),
    ):
        with pytest.raises(UserError, match=expected):
            make(tmp_path / name, 2)
    assert only(tmp_path) == ["file", "folder.mp4"]
    monkeypatch.setattr(videowriter, "RESERVED_DISK_BYTES", 1 << 60)
    with pytest.raises(UserError, match="No space left"):
        make(tmp_path / "full.mp4", 2)
    assert only(tmp_path) == ["file", "folder.mp4"]


def test_a_disk_that_fills_up_keeps_what_was_written(tmp_path: Path, monkeypatch):
    free = iter([1 << 40] * 7 + [0])
    monkeypatch.setattr(videowriter.shutil, "disk_usage", lambda _: type("Usage", (), {"free": next(free)}))
    with pytest.raises(UserError, match="No space left"):
        make(tmp_path / "a.mp4", 20)
    assert only(tmp_path) == ["a.mp4"] and numbers(tmp_path / "a.mp4") == list(range(7))


def test_writes_that_opencv_loses_in_silence_are_noticed(tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 256, (20, 240, 320, 3), np.uint8)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(UserError, match="File too large"), VideoWriter(tmp_path / "a.mp4", 30) as writer:
            for frame in noise:
                writer.write(frame)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not only(tmp_path)


def broken(clip: Path, folder: Path) -> dict[str, bytes]:
    data = clip.read_bytes()
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    return {
        "empty": b"",
        "text": b"Wordswithoutaspace\n" * 500,
        "half": data[: len(data) // 2],
        "noise": data[:start] + np.random.default_rng(0).bytes(end - start) + data[end:],
    }


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("empty", "is empty"),
        ("text", "is not a video"),
        ("half", "is cut off"),
        ("noise", "no frame"),
        ("gone", "not a file"),
    ],
)
def test_bad_files(clip: Path, tmp_path: Path, kind, expected):
    path = tmp_path / f"{kind}.mp4"
    if kind != "gone":
        path.write_bytes(broken(clip, tmp_path)[kind])
    with pytest.raises(UserError, match=expected):
        VideoReader(path)


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile {}\n",
    "dash": "<?xml version='1.0'?><MPD><Period><AdaptationSet><Representation><BaseURL>{}</BaseURL>"
    "</Representation></AdaptationSet></Period></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5000 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_file_never_opens_others(tmp_path: Path, kind):
    """FFmpeg follows playlists, whatever they are called."""
    make(tmp_path / "other.mp4", 5)
    (tmp_path / "a.mp4").write_text(PLAYLISTS[kind].format("other.mp4"))
    with pytest.raises(UserError, match=r"a\.mp4 is not a video"):
        VideoReader(tmp_path / "a.mp4")


KINDS = [(".mp4", "mp4v"), (".mov", "mp4v"), (".avi", "MJPG"), (".mkv", "mp4v"), (".webm", "VP80"), (".ts", "mpg2")]
KINDS += [(".mpg", "mpg1"), (".flv", "FLV1"), (".wmv", "WMV2")]


@pytest.mark.parametrize(("suffix", "codec"), KINDS)
def test_damaged_files_are_read_or_refused(tmp_path: Path, suffix, codec):
    """Cut off anywhere, or with wrong bytes: frames, or an error of ours."""
    path, rng = tmp_path / f"a{suffix}", np.random.default_rng(0)
    capture.silence()
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), 25, (64, 48))
    for number in range(12):
        writer.write(np.full((48, 64, 3), number * 20, np.uint8))
    writer.release()
    data = path.read_bytes()
    with VideoReader(path) as reader:
        assert len(list(reader)) >= 11
    cuts = [*range(1, 40), *rng.integers(1, len(data), 20)]
    for number in range(len(cuts) + 60):
        damaged = bytearray(data)
        for _ in range(rng.integers(1, 6)):
            damaged[rng.integers(0, min(len(data), (200, 2000, len(data))[number % 3]))] = rng.integers(256)
        path.write_bytes(data[: cuts[number]] if number < len(cuts) else damaged)
        try:
            with VideoReader(path) as reader:
                for frame in reader:
                    assert frame.dtype == np.uint8 and frame.ndim == 3 and frame.size
                assert 1 / 60 <= reader.fps <= 480
        except UserError as error:
            assert path.name in error.what


@pytest.mark.parametrize("rate", [(0, 0), (1, 0), (0, 1), (1, 10**9), (2**32 - 1, 1), (1, 2**32 - 1)])
def test_absurd_rates_are_replaced(tmp_path: Path, rate):
    writer = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), 30, (96, 96))
    for number in range(5):
        writer.write(numbered(number))
    writer.release()
    data = bytearray((tmp_path / "a.avi").read_bytes())
    start = data.index(b"strh") + 28  # dwScale and dwRate of AVISTREAMHEADER
    data[start : start + 8] = struct.pack("<II", *rate)
    (tmp_path / "a.avi").write_bytes(data)
    with VideoReader(tmp_path / "a.avi") as reader:
        assert round(reader.fps) in (25, 30) and [number_of(frame) for frame in reader] == list(range(5))


def test_frames_that_change_their_size_keep_the_first(tmp_path: Path):
    for name, size in (("a", (64, 48)), ("b", (128, 96))):
        fourcc = cv2.VideoWriter.fourcc(*"mpg2")
        writer = cv2.VideoWriter(str(tmp_path / f"{name}.ts"), cv2.CAP_FFMPEG, fourcc, 25, size)
        for _ in range(10):
            writer.write(np.full((size[1], size[0], 3), 200, np.uint8))
        writer.release()
    (tmp_path / "c.ts").write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    with VideoReader(tmp_path / "c.ts") as reader:
        frames = list(reader)
    assert len(frames) > 15 and {frame.shape for frame in frames} == {(48, 64, 3)} and frames[-1].mean() > 190


def test_what_is_called_a_video_and_is_no_file(tmp_path: Path):
    os.mkfifo(tmp_path / "fifo.mp4")
    (tmp_path / "folder.mp4").mkdir()
    names = ("fifo.mp4", "folder.mp4", "n" * 300 + ".mp4")
    for name in names:
        with pytest.raises(UserError, match=r"is not a file|cannot be opened"):
            VideoReader(tmp_path / name)


@pytest.mark.parametrize(("width", "height", "said"), [(40_000, 16, "32,767 a side"), (40_000, 30_000, "no frame")])
def test_frames_of_absurd_size_are_refused(tmp_path: Path, width, height, said):
    """By us, or by FFmpeg itself."""
    capture.silence()
    writer = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"I420"), 25, (64, 48))
    writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    data = bytearray((tmp_path / "a.avi").read_bytes())
    start = data.index(b"strf") + 12  # biWidth and biHeight of BITMAPINFOHEADER
    data[start : start + 8] = struct.pack("<ii", width, height)
    (tmp_path / "a.avi").write_bytes(data)
    with pytest.raises(UserError, match=said):
        VideoReader(tmp_path / "a.avi")


def test_frames_larger_than_the_codec_takes(tmp_path: Path):
    with pytest.raises(UserError, match=r"takes no frames of 2 x 9000 px. Scale the video down"):
        make_one(tmp_path / "a.mp4", np.zeros((9000, 1, 3), np.uint8))
    assert not only(tmp_path)


def make_one(path: Path, frame: np.ndarray) -> None:
    with VideoWriter(path, 25) as writer:
        writer.write(frame)


def test_stderr_of_bad_files_and_streams_is_ours_alone(clip: Path, tmp_path: Path):
    """OpenCV and FFmpeg write to the process's stderr, not to Python's."""
    for kind, data in broken(clip, tmp_path).items():
        (tmp_path / f"{kind}.mp4").write_bytes(data)
    places = [*sorted(tmp_path.iterdir()), 255, "rtsp://127.0.0.1:9/x", "http://127.0.0.1:9/x"]
    code = f"""
from pathlib import Path, PosixPath
from rknn_zoo_e2e.errors import UserError
from rknn_zoo_e2e.media.video import VideoReader
from rknn_zoo_e2e.media.videowriter import VideoWriter
import numpy as np, sys
for place in {places}:
    try:
        VideoReader(place)
    except UserError as error:
        print(error.what, file=sys.stderr)
with VideoWriter(Path({str(tmp_path / "a.mp4")!r}), 30) as writer:
    writer.write(np.zeros((479, 641, 3), np.uint8))
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert out.returncode == 0 and len(out.stderr.splitlines()) == len(places), out.stderr
    assert only(tmp_path)[0] == "a.mp4"


def test_a_file_that_ends_early(tmp_path: Path):
    data = make(tmp_path / "whole.avi").read_bytes()
    assert numbers(tmp_path / "whole.avi") == list(range(FRAMES))
    (tmp_path / "cut.avi").write_bytes(data[: len(data) * 6 // 10])
    seen: list[int] = []
    with VideoReader(tmp_path / "cut.avi") as reader, pytest.raises(UserError, match="ends early") as caught:
        seen.extend(number_of(frame) for frame in reader)
    assert seen[:-1] == list(range(len(seen) - 1)) and 100 < len(seen) < FRAMES  # the last one was cut itself
    assert f"{len(seen)} of {FRAMES} frames" in caught.value.what


def test_a_whole_file_may_have_fewer_frames_than_promised(clip: Path, tmp_path: Path):
    """The end of the data overwritten: as long as its header says, and fewer frames."""
    data = bytearray(clip.read_bytes())
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    for share, fine in ((0.3, True), (0.7, False)):
        damaged, gone = data.copy(), int((end - start) * share)
        damaged[end - gone : end] = bytes(gone)
        (tmp_path / "a.mp4").write_bytes(damaged)
        if fine:
            assert len(numbers(tmp_path / "a.mp4")) < FRAMES
        else:
            with pytest.raises(UserError, match=f"of {FRAMES} frames"):
                numbers(tmp_path / "a.mp4")


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".avi", ".mkv", ".webm"])
def test_cut_off_files_are_told_from_whole_ones(tmp_path: Path, suffix):
    path = tmp_path / f"a{suffix}"
    fourcc = cv2.VideoWriter.fourcc(*("VP80" if suffix == ".webm" else "mp4v"))
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, 30, (96, 96))
    for number in range(30):
        writer.write(numbered(number))
    writer.release()
    assert not is_cut_off(path)
    path.write_bytes(path.read_bytes()[:-20])
    assert is_cut_off(path)


@pytest.mark.parametrize(("fps", "expected"), [(1000, 25), (0.5, 0.5), (240, 240)])
def test_a_rate_that_is_none_is_replaced(tmp_path: Path, fps, expected):
    with VideoReader(make(tmp_path / "a.mp4", 3, fps)) as reader:
        assert reader.fps == expected


def test_a_missing_camera_names_those_there_are(monkeypatch):
    for there, expected in (([0, 2], "Give one of: 0, 2."), ([], "Connect one first.")):
        monkeypatch.setattr(capture, "cameras", lambda there=there: there)
        with pytest.raises(UserError) as caught:
            VideoReader(255)
        assert (caught.value.what, caught.value.fix) == ("There is no camera 255.", expected)


def test_a_frame_that_opencv_chokes_on_ends_a_video_early(clip: Path, monkeypatch):
    """Some damaged files make it raise (seen with MPEG and VP8); a real one, stopped at its tenth frame."""

    class Chokes:
        def __init__(self, capture) -> None:
            self.capture, self.left = capture, 10

        def __getattr__(self, name: str):
            return getattr(self.capture, name)

        def read(self):
            self.left -= 1
            if self.left < 0:
                raise cv2.error("Assertion failed: _step >= minstep")
            return self.capture.read()

    monkeypatch.setattr(video, "open_file", lambda path: Chokes(capture.open_file(path)))
    with VideoReader(clip) as reader, pytest.raises(UserError, match=f"ends early: 10 of {FRAMES} frames"):
        list(reader)


class Endless:
    """A ``cv2.VideoCapture`` of a camera."""

    released = False

    def read(self) -> tuple[bool, np.ndarray]:
        time.sleep(0.001)
        return True, numbered(1)

    def get(self, _: int) -> float:
        return 0.0

    def release(self) -> None:
        self.released = True


def test_a_camera_is_live_until_it_is_closed(clip: Path, monkeypatch):
    camera = Endless()
    monkeypatch.setattr(video, "open_camera", lambda _: camera)
    with VideoReader(3) as reader:
        assert (reader.live, reader.frames, reader.fps, reader.name) == (True, None, 25.0, "camera 3")
        assert number_of(next(reader)) == number_of(next(reader)) == 1 and not camera.released
    assert camera.released and not list(reader)
    monkeypatch.setattr(video, "open_camera", lambda _: capture.open_file(clip))
    with VideoReader(3) as reader, pytest.raises(UserError, match="camera 3 ended after"):
        list(reader)


class Sender(ThreadingHTTPServer):
    """Sends numbered JPEGs as cameras do, ``rate`` a second, then ends or falls silent."""

    daemon_threads = True

    def __init__(self, count: int, rate: float, silent: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.count, self.rate, self.silent, self.sent, self.stop = count, rate, silent, -1, threading.Event()
        self.url = f"http://user:secret@127.0.0.1:{self.server_port}/live?pwd=secret"


class Answer(BaseHTTPRequestHandler):
    server: Sender

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
        self.end_headers()
        for number in range(self.server.count):
            jpeg = cv2.imencode(".jpg", numbered(number))[1].tobytes()
            head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            try:
                self.wfile.write(head.encode() + jpeg + b"\r\n")
            except OSError:
                return
            self.server.sent = number
            time.sleep(1 / self.server.rate)
        if self.server.silent:
            self.server.stop.wait(20)


@contextmanager
def sending(count: int, rate: float, silent: bool = False) -> Iterator[Sender]:
    with Sender(count, rate, silent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.stop.set()
        server.shutdown()


@pytest.mark.slow
def test_a_stream_that_ends_is_an_error(tmp_path: Path):
    seen: list[int] = []
    with (
        sending(30, 60) as server,
        pytest.raises(UserError) as caught,
        VideoReader(server.url) as reader,
        VideoWriter(tmp_path / "a.mp4", reader.fps) as writer,
    ):
        assert reader.live and reader.frames is None
        for frame in reader:
            seen.append(number_of(frame))
            writer.write(frame)
    assert caught.value.what == f"http://127.0.0.1:{server.server_port}/live ended after {len(seen)} frames."
    assert seen == sorted(set(seen)) and seen[-1] >= 28 and numbers(tmp_path / "a.mp4") == seen


@pytest.mark.slow
def test_a_slow_reader_sees_the_newest_frame():
    seen, behind = [], []
    with sending(500, 100) as server, VideoReader(server.url) as reader:
        for frame in reader:
            seen.append(number_of(frame))
            behind.append(server.sent - seen[-1])
            if len(seen) == 6:
                break
            while server.sent < seen[-1] + 20:
                time.sleep(0.01)
    assert all(b - a > 5 for a, b in pairwise(seen[1:])), seen
    assert behind[-1] < 50, behind  # a queue of frames would fall 20 further behind each time, to 95


@pytest.mark.slow
def test_dead_addresses_and_senders_are_given_up(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        refusing = f"http://127.0.0.1:{free.getsockname()[1]}/x"
    with pytest.raises(UserError, match="cannot be opened"):
        VideoReader(refusing)
    start = time.monotonic()
    monkeypatch.setattr(capture, "TIMEOUT_MS", 1000)
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes the connection and says nothing
        with pytest.raises(UserError, match="cannot be opened"):
            VideoReader(f"http://127.0.0.1:{mute.getsockname()[1]}/x")
        with pytest.raises(UserError, match="cannot be opened"):
            VideoReader(f"rtsp://127.0.0.1:{mute.getsockname()[1]}/x")
    assert time.monotonic() - start < 30, "OpenCV by itself waits that long for either"


@pytest.mark.slow
def test_closing_ends_the_thread_of_a_sender_that_fell_silent(monkeypatch):
    monkeypatch.setattr(capture, "TIMEOUT_MS", 1000)
    with sending(30, 100, silent=True) as server:
        with VideoReader(server.url) as reader:
            next(reader)
            thread = reader._capture.thread
            time.sleep(0.5)
            assert thread.is_alive()
        thread.join(2)
        assert not thread.is_alive()
        with VideoReader(server.url) as reader, pytest.raises(UserError, match="ended after"):
            list(reader)
