"""SOURCE arguments, and where results are shown."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from rknn_zoo_e2e.cli.sources import find_sources
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.vision.window import Window


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


@pytest.mark.parametrize(
    ("sources", "error", "expected"),
    [
        (["gone.mp4"], UsageError, "does not exist"),
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
