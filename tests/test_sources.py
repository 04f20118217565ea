"""SOURCE arguments, and where results are shown."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from rknn_zoo_e2e.cli.media.sources import find_sources
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.media import capture
from rknn_zoo_e2e.media.window import Window


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("in/b.mp4", "in/a.jpg", "in/notes.txt", "in/deep/c.PNG", "none/x.txt", "7", "in/d.MOV"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (["in"], ["picture a in/a.jpg", "video b in/b.mp4", "video d in/d.MOV"]),
        (["in/*"], ["picture a in/a.jpg", "video b in/b.mp4", "video d in/d.MOV"]),
        (
            ["in/**/*.PNG", "./in/d.MOV", "in"],
            ["picture c in/deep/c.PNG", "video d in/d.MOV", "picture a in/a.jpg", "video b in/b.mp4"],
        ),
        (["in/notes.txt"], ["picture notes in/notes.txt"]),
        (["7"], ["picture 7 7"]),
        (["0"], ["video camera0 0"]),
        (["/dev/video250"], ["video camera250 250"]),
        (["video250"], ["video camera250 250"]),
        (["3", "/dev/video3"], ["video camera3 3"]),
        (
            ["rtsp://me:p@ss@10.0.0.5:554/a/b.sdp?t=1"],
            ["video 10.0.0.5-554-a-b.sdp rtsp://10.0.0.5:554/a/b.sdp"],
        ),
        (["udp://@:1234"], ["video 1234 udp://:1234"]),
    ],
)
def test_sources(folder: Path, sources, expected):
    found = find_sources(sources)
    assert [f"{source.kind} {source.name} {source.place}" for source in found] == expected
    assert [source.video for source in found] == [text.startswith("video") for text in expected]


@pytest.mark.parametrize("typed", ["~/in/a.jpg", "~/in/*.jpg", "~/in"])
def test_the_home_folder_where_no_shell_puts_it_in(folder: Path, monkeypatch, typed: str):
    monkeypatch.setenv("HOME", str(folder))
    assert find_sources([typed])[0].place == folder / "in" / "a.jpg"


@pytest.mark.parametrize(
    ("sources", "error", "expected"),
    [
        (["gone.mp4"], UsageError, "does not exist"),
        (["192.168.0.9:8080/video"], UsageError, "with its scheme"),
        (["cam.local:554"], UsageError, "with its scheme"),
        (["localhost/a.jpg"], UsageError, "with its scheme"),
        (["2024"], UsageError, "does not exist"),
        (["none"], UserError, "no pictures or videos in none"),
        (["none/*"], UserError, "No pictures or videos"),
        (["ftp://host/a.mp4"], UsageError, "Give one of: rtsp"),
        (["http://me:secret"], UsageError, r"http://\*\*\* is not an address"),
        (["in", "0"], UsageError, "Give it alone"),
        (["rtsp://a/b", "rtsp://a/c"], UsageError, "Give it alone"),
        (["n" * 300 + ".jpg"], UserError, "File name too long"),
    ],
)
def test_sources_that_are_refused(folder: Path, sources, error, expected):
    with pytest.raises(error, match=expected) as caught:
        find_sources(sources)
    assert "secret" not in str(caught.value)


@pytest.fixture
def devices(folder: Path, monkeypatch) -> Path:
    """Links to cameras, and cameras 0 and 2."""
    monkeypatch.setattr(capture, "cameras", lambda: [0, 2])
    for name, target in (
        ("cam", "/dev/video9"),
        ("front", "cam"),
        ("5", "/dev/video6"),
        ("gone", "/dev/v4l/by-id/usb-gone"),
        ("null", "/dev/null"),
        ("picture", "in/a.jpg"),
        ("lost.jpg", "nowhere.jpg"),
    ):
        (folder / name).symlink_to(target)
    (folder / "list.streams").write_text("rtsp://a/b\n")
    return folder


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("cam", "video camera9 9"),
        ("./front", "video camera9 9"),
        ("5", "video camera6 6"),
        ("/dev/video33", "video camera33 33"),
        ("../dev/../dev/video4", None),
        ("picture", "picture picture picture"),
    ],
)
def test_a_link_to_a_camera_is_the_camera(devices: Path, source, expected):
    if expected is None:
        source, expected = os.path.relpath("/dev/video4"), "video camera4 4"
    [found] = find_sources([source])
    assert f"{found.kind} {found.name} {found.place}" == expected


@pytest.mark.parametrize(
    ("source", "what", "fix"),
    [
        ("gone", "gone leads to /dev/v4l/by-id/usb-gone, which is not there", "number of a camera: 0, 2"),
        ("/dev/v4l/by-id/x", "/dev/v4l/by-id/x is not there", "number of a camera: 0, 2"),
        ("null", "null is a device, but no camera", "number of a camera: 0, 2"),
        ("/dev/zero", "/dev/zero is a device, but no camera", "number of a camera: 0, 2"),
        ("lost.jpg", "lost.jpg does not exist", "Check the path"),
        ("v4l2src device=/dev/video0 ! videoconvert ! appsink", "GStreamer", "e2erknn demo 0"),
        ("rtspsrc location=rtsp://me:secret@h/s latency=0", "GStreamer", "e2erknn demo 0"),
        ("rtspsrc location=rtsp://me:secret@h/s ! appsink", "GStreamer", "e2erknn demo 0"),
        ("gst-launch-1.0 videotestsrc", "GStreamer", "e2erknn demo 0"),
        ("https://www.youtube.com/watch?v=secret", "YouTube", "yt-dlp -f mp4 -o video.mp4"),
        ("https://youtu.be/secret", "YouTube", "yt-dlp"),
        ("HTTPS://me:secret@m.YouTube.com/x", "YouTube", "yt-dlp"),
        ("youtube.com/watch?v=secret", "YouTube", "yt-dlp"),
        ("screen", "screen", "x11grab"),
        ("screen 0 100 100 512 256", "screen", "x11grab"),
        (":0.0", "screen", "x11grab"),
        ("csi", "by its number", "e2erknn demo 0"),
        ("webcam", "by its number", "e2erknn demo 0"),
        ("camera 1", "by its number", "e2erknn demo 0"),
        ("0,1", "Several cameras", "e2erknn demo 0"),
        ("0, 2", "Several cameras", "e2erknn demo 0"),
        ("list.streams", "list of streams", "one of its lines"),
        ("-", "Standard input", "cat > picture.jpg"),
        ("data:image/png;base64,secret", "data: address", "as a file"),
        ("data://secret", "data: address", "as a file"),
    ],
)
def test_what_is_not_taken_is_named_with_what_to_give_instead(devices: Path, source, what, fix):
    with pytest.raises(UserError) as caught:
        find_sources([source])
    assert what in caught.value.what and fix in caught.value.fix and "secret" not in str(caught.value)


def test_files_may_be_called_like_what_is_not_taken(folder: Path):
    for name in ("screen", "csi", "0,1", "a ! b.jpg", "data:x", "youtube.com"):
        (folder / name).write_bytes(b"x")
        assert [source.place for source in find_sources([name])] == [Path(name)]


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (["mac"], ["mac/a.jpg"]),
        (["mac/*"], ["mac/a.jpg"]),
        (["mac/**/*"], ["mac/a.jpg", "mac/sub/d.png"]),
        (["mac/**/*.jpg"], ["mac/a.jpg"]),
        (["mac/._*"], ["mac/._a.jpg"]),  # asked for by name
        (["mac/._a.jpg"], ["mac/._a.jpg"]),
    ],
)
def test_hidden_files_are_passed_over(folder: Path, sources, expected):
    for name in ("a.jpg", "._a.jpg", ".DS_Store", "Thumbs.db", "sub/d.png", "sub/._d.png", "__MACOSX/b.jpg", "e.jpg/x"):
        (folder / "mac" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "mac" / name).write_bytes(b"x")
    assert [str(source.place) for source in find_sources(sources)] == expected


def test_pictures_in_sub_folders_are_pointed_to(folder: Path):
    (folder / "top" / "below").mkdir(parents=True)
    (folder / "top" / "below" / "a.jpg").write_bytes(b"x")
    with pytest.raises(UserError) as caught:
        find_sources(["top"])
    assert caught.value.fix == "To look into its sub-folders: e2erknn demo 'top/**/*'"
    assert [str(source.place) for source in find_sources(["top/**/*"])] == ["top/below/a.jpg"]


def test_a_folder_that_may_not_be_looked_into_is_told(folder: Path, monkeypatch):
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    if os.getuid():
        (folder / "in").chmod(0)
    else:
        monkeypatch.setattr(Path, "iterdir", refused)  # root may look into everything
    with pytest.raises(UserError, match=r"in cannot be looked into \(Permission denied\)"):
        find_sources(["in"])
    (folder / "in").chmod(0o755)


def test_a_window_without_display_or_tk(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(UserError, match=r"no display|needs Tk"):
        Window("x")
    monkeypatch.setitem(sys.modules, "tkinter", None)
    with pytest.raises(UserError, match="apt install python3-tk"):
        Window("x")
